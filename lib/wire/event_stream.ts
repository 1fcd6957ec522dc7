/**
 * Event streams towards clients (WHATWG HTML, server-sent events), and the bounded store from which a client that was
 * cut off gets what it missed (MCP 2025-11-25, transports: resumability and redelivery).
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import { joined } from "../mcp/splice.ts";
import { encode } from "../mcp/message.ts";
import { answerable } from "./answerable.ts";
import { onBeat } from "./pulse.ts";

/** What a stream may hold for a client that reads too slowly, in bytes. A single message may be larger. */
const MAX_UNREAD = 64 * 1024 * 1024;
/** What is collected before it is sent, in bytes. */
const PIECE = 64 * 1024;
/** Seconds between comments on a quiet stream, so that no intermediary closes it. */
const KEEP_ALIVE = 15;
/** What one session's store keeps, in events, bytes, and ms of age; it may hold twice that for a moment. */
const MAX_EVENTS = 1000, MAX_BYTES = 1024 * 1024, MAX_AGE = 120_000;

/** Headers of every event stream. */
export const STREAM_HEADERS: Record<string, string> = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

const HEAD = encode("event: message\ndata: "),
  HEAD_WITH_ID = encode("event: message\nid: "),
  DATA = encode("\ndata: ");
const COMMENT = encode(": keep-alive\n\n");

/** The bytes of one event that carries a message; `id` is left out where it is `""`. */
export function encodeEvent(message: Bytes, id = ""): Bytes {
  const data = answerable(message);
  const head = id === ""
    ? HEAD.length
    : HEAD_WITH_ID.length + id.length + DATA.length;
  const bytes = new Uint8Array(head + data.length + 2);
  if (id === "") bytes.set(HEAD);
  else {
    bytes.set(HEAD_WITH_ID);
    for (let i = 0; i < id.length; i++) {
      bytes[HEAD_WITH_ID.length + i] = id.charCodeAt(i);
    }
    bytes.set(DATA, HEAD_WITH_ID.length + id.length);
  }
  bytes.set(data, head);
  bytes.fill(10, head + data.length);
  return bytes;
}

/** One open response body. */
export class EventStream {
  /** The body of the response. */
  readonly body: ReadableStream<Bytes>;
  /** Called once when the client has gone, or reads so slowly that it was cut off; not after {@linkcode close}. */
  ongone: () => void = () => {};
  #controller: ReadableStreamDefaultController<Bytes> | undefined;
  #quiet = 0;
  #unsent: Bytes[] = [];
  #size = 0;

  /** Opens a stream. */
  constructor() {
    this.body = new ReadableStream<Bytes>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => this.#gone(),
    }, { highWaterMark: MAX_UNREAD, size: (chunk) => chunk?.byteLength ?? 0 });
    streams.add(this);
    onBeat(keepAlive);
  }

  /** Whether something can be written. */
  get open(): boolean {
    return this.#controller !== undefined;
  }

  /** Writes bytes; `false` where the client has gone. What is written in one go leaves in one piece. */
  write(bytes: Bytes): boolean {
    if (!this.#controller) return false;
    this.#quiet = 0;
    this.#unsent.push(bytes);
    this.#size += bytes.length;
    if (this.#size >= PIECE) this.#flush();
    else if (this.#unsent.length === 1) queueMicrotask(() => this.#flush());
    return this.open;
  }

  /** Ends the stream in good order. */
  close(): void {
    this.#flush();
    const controller = this.#controller;
    if (!controller) return;
    this.#controller = undefined;
    streams.delete(this);
    controller.close();
  }

  /** Counts a second; writes a comment when it has been quiet for long. */
  beat(): void {
    if (++this.#quiet >= KEEP_ALIVE) this.write(COMMENT);
  }

  #flush(): void {
    const controller = this.#controller, unsent = this.#unsent;
    if (!controller || unsent.length === 0) return;
    this.#unsent = [];
    const size = this.#size;
    this.#size = 0;
    if ((controller.desiredSize ?? 0) <= 0) {
      controller.error(new Error("the client reads too slowly"));
      return this.#gone();
    }
    const [first] = unsent;
    controller.enqueue(
      unsent.length === 1 && first ? first : joined(unsent, size),
    );
  }

  #gone(): void {
    if (!this.#controller) return;
    this.#controller = undefined;
    streams.delete(this);
    this.ongone();
  }
}

const streams = new Set<EventStream>();

function keepAlive(): boolean {
  for (const stream of streams) stream.beat();
  return streams.size > 0;
}

interface Stored {
  stream: number;
  sequence: number;
  bytes: Bytes;
  at: number;
}

/** What a session's streams have sent, for clients that come back. Bounded in number, bytes and age; the oldest go first. */
export class EventStore {
  #events: Stored[] = [];
  #bytes = 0;

  /** How many bytes are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps an event. */
  add(stream: number, sequence: number, bytes: Bytes): void {
    this.#events.push({ stream, sequence, bytes, at: performance.now() });
    this.#bytes += bytes.length;
    // Trimmed in larger steps, because taking from the front of a list costs as much as all of it.
    if (
      this.#events.length > 2 * MAX_EVENTS || this.#bytes > 2 * MAX_BYTES
    ) this.#trim();
  }

  /** The events of a stream that came after a sequence number. */
  after(stream: number, sequence: number): Bytes[] {
    return this.#events.filter((event) =>
      event.stream === stream && event.sequence > sequence
    ).map((event) => event.bytes);
  }

  /** Whether anything of a stream is held. */
  has(stream: number): boolean {
    return this.#events.some((event) => event.stream === stream);
  }

  // Drops the oldest down to the bounds; the last event stays, however large.
  #trim(): void {
    let drop = 0;
    const { length } = this.#events;
    for (const event of this.#events) {
      if (
        drop === length - 1 ||
        (length - drop <= MAX_EVENTS && this.#bytes <= MAX_BYTES)
      ) break;
      this.#bytes -= event.bytes.length;
      drop++;
    }
    this.#events.splice(0, drop);
  }

  /** Drops what is too old. */
  age(): void {
    const limit = performance.now() - MAX_AGE;
    if ((this.#events[0]?.at ?? limit) >= limit) return;
    this.#events = this.#events.filter((event) => event.at >= limit);
    this.#bytes = this.#events.reduce(
      (sum, event) => sum + event.bytes.length,
      0,
    );
  }
}
