import type { Bytes } from "../mcp/frame.ts";

/** A line of more bytes than this is not read: no message of that size can be meant. */
export const MAX_LINE = 128 * 1024 * 1024;

const LF = 10, CR = 13;

/**
 * Splits what a pipe delivers into lines, as the stdio transport frames its messages: at the byte 0x0A and nowhere else,
 * so that characters split over chunks and U+2028 are of no concern. A carriage return at the end of a line is dropped,
 * and so are lines of nothing but white space.
 *
 * A line handed out is a part of the chunk pushed, good for as long as that is. A line of many chunks is put together
 * once, when its end has come.
 */
export class Lines {
  readonly #maxBytes: number;
  readonly #online: (line: Bytes) => void;
  readonly #onoverflow: () => void;
  #parts: Uint8Array[] = [];
  #size = 0;
  #skipping = false;

  /** Takes the longest line in bytes, and what to do with a line, and once with each line that is longer. */
  constructor(
    maxBytes: number,
    online: (line: Bytes) => void,
    onoverflow: () => void,
  ) {
    this.#maxBytes = maxBytes;
    this.#online = online;
    this.#onoverflow = onoverflow;
  }

  /** Takes the next chunk; calls back for each line that ends in it. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, from)) {
      if (this.#skipping) this.#skipping = false;
      else if (this.#size > 0) this.#finish(chunk.subarray(from, end));
      else if (end - from > this.#maxBytes) this.#onoverflow();
      else this.#line(chunk, from, end);
      from = end + 1;
    }
    if (this.#skipping || from === chunk.length) return;
    const rest = chunk.subarray(from);
    this.#size += rest.length;
    if (this.#size > this.#maxBytes) {
      this.#drop();
      this.#skipping = true;
      this.#onoverflow();
    } else this.#parts.push(rest.slice());
  }

  /** The pipe has ended: what came after the last line break counts as a line too. */
  end(): void {
    if (this.#size > 0) this.#finish(new Uint8Array());
    this.#skipping = false;
  }

  #finish(last: Uint8Array): void {
    const parts = this.#parts, size = this.#size + last.length;
    this.#drop();
    if (size > this.#maxBytes) return this.#onoverflow();
    const line = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      line.set(part, at);
      at += part.length;
    }
    line.set(last, at);
    this.#line(line, 0, size);
  }

  #line(bytes: Uint8Array, from: number, end: number): void {
    if (end > from && bytes[end - 1] === CR) end--;
    let text = from;
    while (
      text < end &&
      (bytes[text] === 32 || bytes[text] === 9 || bytes[text] === CR)
    ) text++;
    if (text === end) return;
    this.#online(bytes.subarray(from, end) as Bytes);
  }

  #drop(): void {
    this.#parts = [];
    this.#size = 0;
  }
}
