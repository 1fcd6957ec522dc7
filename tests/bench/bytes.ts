/** Bytes as they come from pipes and sockets. */
export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();

/** The bytes of a text. */
export function encode(text: string): Bytes {
  return encoder.encode(text);
}

const latin1 = new TextDecoder("latin1");

/** The text of bytes of which only the ASCII part matters. */
export function decode(bytes: Bytes): string {
  return latin1.decode(bytes);
}

/** One array of several. */
export function join(parts: readonly Bytes[]): Bytes {
  let size = 0;
  for (const part of parts) size += part.length;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Splits chunks into lines. A line is valid until the next chunk. */
export class LineSplitter {
  #kept: Bytes[] = [];

  /** Takes a chunk, and gives each line that it completes. */
  push(chunk: Bytes, take: (line: Bytes) => void): void {
    let start = 0;
    let end = chunk.indexOf(10);
    while (end >= 0) {
      const rest = chunk.subarray(start, end);
      take(this.#kept.length > 0 ? join([...this.#kept, rest]) : rest);
      this.#kept = [];
      start = end + 1;
      end = chunk.indexOf(10, start);
    }
    if (start < chunk.length) this.#kept.push(chunk.slice(start));
  }
}

/** Writes one array after the other; what comes while it writes goes out as one. */
export class Outlet {
  #write: (bytes: Bytes) => Promise<unknown>;
  #queue: Bytes[] = [];
  #writing = false;

  /** Takes what writes. */
  constructor(write: (bytes: Bytes) => Promise<unknown>) {
    this.#write = write;
  }

  /** Sends bytes. */
  send(...parts: Bytes[]): void {
    this.#queue.push(...parts);
    if (!this.#writing) this.#flush();
  }

  async #flush(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        await this.#write(join(queue));
      }
    } catch {
      // Whoever reads has gone, which its end tells.
    }
    this.#writing = false;
  }
}
