import { joined } from "../mcp/splice.ts";
import type { Bytes } from "../mcp/frame.ts";

/** A body that is read piece by piece. */
export class Body implements AsyncIterableIterator<Uint8Array> {
  /** How many bytes have been handed out. */
  taken = 0;
  readonly #next: () => Promise<Uint8Array | undefined>;
  readonly #cancel: () => void;
  #done = false;
  #claimed = false;

  constructor(next: () => Promise<Uint8Array | undefined>, cancel: () => void) {
    this.#next = next;
    this.#cancel = cancel;
  }

  /** Whether the body may be read whole: only once, and not when some of it has been handed out. */
  claim(): boolean {
    const free = !this.#claimed && !this.#done && this.taken === 0;
    this.#claimed = true;
    return free;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#done ? undefined : await this.#next();
    if (!value) {
      this.#done = true;
      return { done: true, value: undefined };
    }
    this.taken += value.length;
    return { done: false, value };
  }

  /** Called where a loop is left early. */
  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    return this.cancel().then(() => ({ done: true, value: undefined }));
  }

  cancel(): Promise<void> {
    if (!this.#done) this.#cancel();
    this.#done = true;
    return Promise.resolve();
  }
}

/** The answer to who reads a body twice. */
export function used(): Promise<never> {
  return Promise.reject(new TypeError("the body has been read"));
}

/** The pieces as one. */
export async function collect(body: AsyncIterable<Uint8Array>): Promise<Bytes> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
  }
  return joined(parts, size);
}
