import type { Bytes } from "../mcp/frame.ts";
import { encode } from "../mcp/message.ts";
import { encodeEvent, EventStore, EventStream } from "./event_stream.ts";
import type { AnswerStream } from "./answer.ts";
import type { ClientLeg, Receiver } from "./leg.ts";

/** How many answers of one session may be cut off and still running. */
const MAX_STREAMS = 1024;

/** What a client that was cut off should wait before it comes back, in ms. */
const RETRY = 1000;

/** 128 random bits, as hexadecimal digits. */
export function randomId(): string {
  let text = "";
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) {
    text += byte.toString(16).padStart(2, "0");
  }
  return text;
}

/** One stream of a session, which may outlive the connection that it was opened on. */
export class SessionStream implements AnswerStream {
  /** Its number in the session. */
  readonly number: number;
  /** The last event that a connection has taken. */
  taken = 0;
  #sequence = 0;
  #sink: EventStream | undefined;
  #session: Session;

  /** Belongs to a session. */
  constructor(session: Session, number: number) {
    this.#session = session;
    this.number = number;
  }

  /** The body of the connection that is attached. */
  get body(): ReadableStream<Bytes> {
    return (this.#sink ?? this.attach()).body;
  }

  /** Whether a client is connected. */
  get connected(): boolean {
    return this.#sink?.open === true;
  }

  /** Attaches a new connection; one that was attached before is ended. */
  attach(missed: Bytes[] = []): EventStream {
    this.#sink?.close();
    const sink = this.#sink = new EventStream();
    sink.ongone = () => this.#session.touch();
    for (const event of missed) sink.write(event);
    this.taken = this.#sequence;
    return sink;
  }

  /** The first event of an answer: an id to come back with, and no message (2025-11-25 and later). */
  prime(): void {
    const id = `${this.number}-${this.#sequence}`;
    this.#sink?.write(encode(`id: ${id}\nretry: ${RETRY}\ndata: \n\n`));
  }

  /** Sends a message, and keeps it for a client that comes back. */
  send(bytes: Bytes): void {
    const sequence = ++this.#sequence;
    const event = encodeEvent(bytes, `${this.number}-${sequence}`);
    this.#session.store.add(this.number, sequence, event);
    if (this.#sink?.write(event)) this.taken = sequence;
  }

  /** Ends the stream in good order. */
  close(): void {
    this.#session.streams.delete(this.number);
    this.#sink?.close();
  }
}

/** A legacy client's session over Streamable HTTP (2025-03-26 to 2025-11-25, transports: session management). */
export class Session implements ClientLeg {
  /** The value of `Mcp-Session-Id`. */
  readonly id: string = randomId();
  /** Whose it is: nobody else may use it. */
  readonly principal: string;
  /** What its streams have sent. */
  readonly store: EventStore = new EventStore();
  /** Its streams that have not ended, by number; 0 is the one that belongs to no request. */
  readonly streams: Map<number, SessionStream> = new Map();
  /** Where its messages go. */
  receiver: Receiver | undefined;
  /** The protocol version, once `initialize` has been answered. */
  version = "";
  /** How many of its POSTs wait for their answer. */
  running = 0;
  /** Called once when the session ends. */
  onclose: (reason: string) => void = () => {};
  #touched = performance.now();
  #next = 1;
  #closed = false;
  #general: SessionStream;

  /** Makes a session. */
  constructor(principal: string) {
    this.principal = principal;
    this.#general = new SessionStream(this, 0);
    this.streams.set(0, this.#general);
  }

  /** Whether it has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Notes that it is in use. */
  touch(): void {
    this.#touched = performance.now();
  }

  /** How long nothing has happened in it, in ms; 0 while a request runs or a stream is open. */
  get idle(): number {
    if (this.running > 0) return 0;
    for (const stream of this.streams.values()) if (stream.connected) return 0;
    return performance.now() - this.#touched;
  }

  /** Sends a message that belongs to no running request: on the GET stream, or kept until there is one. */
  push(bytes: Bytes): void {
    if (!this.#closed) this.#general.send(bytes);
  }

  /** A stream for one answer. */
  answer(): SessionStream {
    const stream = new SessionStream(this, this.#next++);
    this.streams.set(stream.number, stream);
    stream.attach();
    if (this.version >= "2025-11-25") stream.prime();
    if (this.streams.size > MAX_STREAMS) {
      for (const old of this.streams.values()) {
        if (old.number > 0 && !old.connected) {
          old.close();
          break;
        }
      }
    }
    return stream;
  }

  /** The body of a GET: the stream of no request, or what came after `lastEventId` on the stream that it names. */
  listen(lastEventId: string | null): ReadableStream<Bytes> | undefined {
    this.touch();
    const [, number, sequence] = lastEventId?.match(/^(\d{1,9})-(\d{1,12})$/) ??
      [];
    if (lastEventId !== null && number === undefined) return undefined;
    const stream = Number(number ?? 0);
    // Without an id, what was kept while nobody listened is delivered once.
    const from = Number(sequence ?? this.#general.taken);
    const missed = this.store.after(stream, from);
    const running = this.streams.get(stream);
    if (running) return running.attach(missed).body;
    if (!this.store.has(stream)) return undefined;
    const ended = new EventStream();
    for (const event of missed) ended.write(event);
    ended.close();
    return ended.body;
  }

  /** Ends the session. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.receiver?.leave();
    for (const stream of [...this.streams.values()]) stream.close();
    this.onclose(reason);
  }
}
