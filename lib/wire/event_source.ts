/**
 * Reads a `text/event-stream` (WHATWG HTML, 9.2.6) as bytes: the data of an event is handed on without being decoded.
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";

const LF = 10, CR = 13, COLON = 58, SPACE = 32;
const BOM = [0xEF, 0xBB, 0xBF];

/** Longest time that a server can ask to wait before a reconnection, in ms. */
const MAX_RETRY = 5 * 60_000;

/** Parser of one stream. Each byte is looked at once, however the stream is cut into chunks. */
export class EventReader {
  /** Id of the last event that was complete, or `""`. */
  lastEventId: string;
  /** How long the server wants a client to wait before it reconnects, in ms, if it said so. */
  retry: number | undefined;
  /** How many events have been complete, those without data included. */
  events = 0;
  readonly #maxBytes: number;
  readonly #onevent: (data: Bytes, type: string) => void;
  #parts: Uint8Array[] = [];
  #size = 0;
  #data: Uint8Array[] = [];
  #type = "";
  #id: string;
  #skipLF = false;
  #bom = 0;

  /**
   * Takes the largest event in bytes, what to do with an event that has data, and the id from which a stream is taken up
   * again. The data may be kept; the chunks pushed must not be written to afterwards.
   */
  constructor(
    maxBytes: number,
    onevent: (data: Bytes, type: string) => void,
    lastEventId = "",
  ) {
    this.#maxBytes = maxBytes;
    this.#onevent = onevent;
    this.lastEventId = this.#id = lastEventId;
  }

  /** Takes the next chunk; calls back for each event that ends in it. Throws where an event is too large. */
  push(chunk: Uint8Array): void {
    let from = this.#start(chunk);
    let lf = chunk.indexOf(LF, from), cr = chunk.indexOf(CR, from);
    for (;;) {
      if (lf >= 0 && lf < from) lf = chunk.indexOf(LF, from);
      if (cr >= 0 && cr < from) cr = chunk.indexOf(CR, from);
      const end = lf < 0 ? cr : cr < 0 ? lf : Math.min(lf, cr);
      if (end < 0) break;
      if (this.#parts.length === 0) this.#line(chunk, from, end);
      else this.#joined(chunk.subarray(from, end));
      from = end + 1;
      if (end !== cr) continue;
      if (from === chunk.length) this.#skipLF = true;
      else if (chunk[from] === LF) from++;
    }
    if (from < chunk.length) {
      this.#parts.push(chunk.subarray(from));
      this.#grow(chunk.length - from);
    }
  }

  #start(chunk: Uint8Array): number {
    let from = 0;
    while (this.#bom < 3 && from < chunk.length) {
      if (chunk[from] !== BOM[this.#bom]) {
        this.#bom = 3;
        break;
      }
      this.#bom++;
      from++;
    }
    if (this.#skipLF && from < chunk.length) {
      this.#skipLF = false;
      if (chunk[from] === LF) from++;
    }
    return from;
  }

  #grow(size: number): void {
    this.#size += size;
    if (this.#size > this.#maxBytes) {
      throw new Error(`an event of more than ${this.#maxBytes} bytes`);
    }
  }

  #joined(last: Uint8Array): void {
    const line = join([...this.#parts, last]);
    this.#size -= line.length - last.length;
    this.#parts = [];
    this.#line(line, 0, line.length);
  }

  #line(bytes: Uint8Array, from: number, end: number): void {
    if (from === end) return this.#dispatch();
    let colon = from;
    while (colon < end && bytes[colon] !== COLON) colon++;
    let value = Math.min(end, colon + 1);
    if (value < end && bytes[value] === SPACE) value++;
    if (is(bytes, from, colon, "data")) {
      this.#data.push(bytes.subarray(value, end));
      this.#grow(end - value + 1);
    } else if (is(bytes, from, colon, "event")) {
      this.#type = text(bytes.subarray(value, end));
    } else if (is(bytes, from, colon, "id")) {
      if (bytes.subarray(value, end).indexOf(0) < 0) {
        this.#id = text(bytes.subarray(value, end));
      }
    } else if (is(bytes, from, colon, "retry")) {
      const ms = text(bytes.subarray(value, end));
      if (/^\d+$/.test(ms)) this.retry = Math.min(MAX_RETRY, Number(ms));
    }
  }

  #dispatch(): void {
    const data = this.#data, type = this.#type;
    this.lastEventId = this.#id;
    this.events++;
    this.#size = 0;
    this.#type = "";
    if (data.length === 0) return;
    this.#data = [];
    const bytes = data.length === 1 ? data[0] as Bytes : join(data, LF);
    if (bytes.length > 0) this.#onevent(bytes, type === "" ? "message" : type);
  }
}

function is(
  bytes: Uint8Array,
  from: number,
  end: number,
  name: string,
): boolean {
  if (end - from !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (bytes[from + i] !== name.charCodeAt(i)) return false;
  }
  return true;
}

const decoder = new TextDecoder();

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The parts as one, with a byte between them if one is given. */
function join(parts: Uint8Array[], between?: number): Bytes {
  let size = between === undefined ? 0 : parts.length - 1;
  for (const part of parts) size += part.length;
  const all = new Uint8Array(size);
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if (between !== undefined && i > 0) all[at++] = between;
    all.set(part, at);
    at += part.length;
  }
  return all;
}
