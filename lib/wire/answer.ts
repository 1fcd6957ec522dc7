/**
 * The answer to one POST: plain JSON where the response is the first thing that comes; an event stream as soon as
 * something has to come before it, or when it takes long, so that no intermediary gives up; never both.
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import { onBeat } from "./pulse.ts";
import { STREAM_HEADERS } from "./event_stream.ts";
import type { Exchange } from "./leg.ts";

/** Seconds after which an answer becomes a stream. */
const PATIENCE = 5;

/** Where an answer writes once it has become a stream. */
export interface AnswerStream {
  /** The body of the response. */
  readonly body: ReadableStream<Bytes>;
  /** Sends a message. */
  send(bytes: Bytes): void;
  /** Ends the stream in good order. */
  close(): void;
}

/** How an answer behaves. */
export interface AnswerOptions {
  /** Opens the stream. `undefined` where the client takes no streams. */
  open: (() => AnswerStream) | undefined;
  /** The client takes nothing but streams. */
  streamOnly: boolean;
  /** Headers on top of the content type. */
  headers: Record<string, string>;
  /** HTTP status of an error that comes first, by its JSON-RPC code. */
  statusOf: (errorCode: number) => number;
  /** Takes a message that came before the response and cannot go on its stream, because the client takes none. */
  divert: (bytes: Bytes) => void;
  /** The headers that the request came with. */
  asked: Headers;
  /** Called once when the response has been handed over. */
  ondone: () => void;
  /** Called once when the client has waited for up to a second. */
  onwait?: () => void;
}

/** One POST's answer. */
export class Answer implements Exchange {
  /** The HTTP response: at once, or as soon as it is known of what kind it is. */
  readonly response: Promise<Response>;
  #resolve!: (response: Response) => void; // set by the promise below, before anything can use it
  #options: AnswerOptions;
  #stream: AnswerStream | undefined;
  #done = false;
  #seconds = 0;

  /** Waits for the first message. */
  constructor(options: AnswerOptions) {
    this.#options = options;
    this.response = new Promise((resolve) => this.#resolve = resolve);
    if (options.open && options.streamOnly) this.#become(options.open);
    else if (options.open || options.onwait) {
      waiting.add(this);
      onBeat(grow);
    }
  }

  /** The headers that the request came with. */
  get headers(): Headers {
    return this.#options.asked;
  }

  /** Whether the response has been handed over. */
  get done(): boolean {
    return this.#done;
  }

  /** Whether it has become a stream. */
  get streamed(): boolean {
    return this.#stream !== undefined;
  }

  /** Sends a message before the response. */
  push(bytes: Bytes): void {
    if (this.#done || !this.#options.open) return this.#options.divert(bytes);
    this.#become(this.#options.open).send(bytes);
  }

  /** Sends the response. */
  respond(bytes: Bytes, errorCode: number): void {
    if (this.#done) return;
    this.#finish(
      bytes,
      errorCode === 0 ? 200 : this.#options.statusOf(errorCode),
    );
  }

  /** Answers 400: the request was not accepted. */
  refuse(bytes: Bytes): void {
    if (!this.#done) this.#finish(bytes, 400);
  }

  /** Ends the answer to a request that the client has cancelled. */
  cancelled(bytes: Bytes): void {
    this.respond(bytes, 0);
  }

  /** Counts a second; becomes a stream when the answer takes long. `false` when it needs no more counting. */
  beat(): boolean {
    if (this.#seconds === 0) this.#options.onwait?.();
    if (++this.#seconds < PATIENCE) return true;
    if (this.#options.open) this.#become(this.#options.open);
    return false;
  }

  #become(open: () => AnswerStream): AnswerStream {
    if (this.#stream) return this.#stream;
    waiting.delete(this);
    const stream = this.#stream = open();
    this.#resolve(
      new Response(stream.body, {
        headers: { ...STREAM_HEADERS, ...this.#options.headers },
      }),
    );
    return stream;
  }

  #finish(bytes: Bytes, status: number): void {
    this.#done = true;
    if (this.#stream) {
      this.#stream.send(bytes);
      this.#stream.close();
    } else {
      waiting.delete(this);
      this.#resolve(
        new Response(bytes, {
          status,
          headers: {
            "content-type": "application/json",
            ...this.#options.headers,
          },
        }),
      );
    }
    this.#options.ondone();
  }
}

const waiting = new Set<Answer>();

function grow(): boolean {
  // Oldest first, but those that were made since the last beat are younger than a second each: all are counted.
  for (const answer of waiting) if (!answer.beat()) waiting.delete(answer);
  return waiting.size > 0;
}
