/**
 * Our own stdin and stdout as a client's leg (MCP, transports: stdio). Nothing else may touch either of them.
 *
 * @module
 */
import { log } from "../log.ts";
import { type Bytes, FrameError, readFrame } from "../mcp/frame.ts";
import { isBatch, readBatch } from "../mcp/parts.ts";
import { CODE } from "../mcp/eras.ts";
import { errorResponse } from "../mcp/message.ts";
import { answerable } from "./answerable.ts";
import type { ClientLeg, Exchange, Receiver } from "./leg.ts";
import { Lines, MAX_LINE } from "./lines.ts";
import { pause } from "./pause.ts";

/** The two ends of the pipe; those of the process, or a test's. */
export interface StdioPipes {
  /** What the client writes. */
  readonly input: ReadableStream<Uint8Array>;
  /** Writes some of the bytes for the client to read; resolves with how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** stdin and stdout of this process. */
export const ownPipes: StdioPipes = {
  get input() {
    return Deno.stdin.readable;
  },
  write: (bytes) => Deno.stdout.write(bytes),
};

/** What may wait for a client that does not read, in bytes. A single message may be larger. */
const MAX_UNWRITTEN = 256 * 1024 * 1024;
/** Messages of a write are put together up to this size, in bytes; larger ones are written for themselves. */
const MAX_JOINED = 64 * 1024;

const LINE_BREAK = 10, LINE_END = Uint8Array.of(LINE_BREAK);

/** A client on our stdin and stdout. */
export class Stdio implements ClientLeg {
  /** Whether arrays of messages are accepted, which is so in 2025-03-26 only. */
  batches: () => boolean = () => false;
  readonly #pipes: StdioPipes;
  #queue: Bytes[] = [];
  #unwritten = 0;
  #writing: Promise<void> | undefined;
  #closed = "";
  readonly #ended = new AbortController();
  readonly #exchange: Exchange;

  /** Takes the pipes. */
  constructor(pipes: StdioPipes = ownPipes) {
    this.#pipes = pipes;
    const write = (bytes: Bytes) => this.#write(bytes);
    // A cancelled request has no response (MCP, cancellation), so there is nothing to say.
    this.#exchange = {
      push: write,
      respond: write,
      refuse: write,
      cancelled() {},
    };
  }

  /** Sends a message that belongs to no running request. */
  push(bytes: Bytes): void {
    this.#write(bytes);
  }

  /** Ends the leg. There is no way to tell a client over a pipe why, so the reason goes to the log. */
  close(reason: string): void {
    if (this.#closed !== "") return;
    this.#closed = reason;
    log.debug(`stdio: closed: ${reason}`);
    this.#ended.abort();
  }

  /**
   * Hands what the client sends to `receiver`; resolves when it has closed its end, when the leg was closed, or when it
   * does not read any more. Never rejects.
   */
  async run(receiver: Receiver): Promise<void> {
    const lines = new Lines(
      MAX_LINE,
      (line) => this.#line(line, receiver),
      () => {
        this.#write(
          errorResponse(
            undefined,
            CODE.invalidRequest,
            `Invalid request: a line of more than ${MAX_LINE} bytes`,
          ),
        );
      },
    );
    const reader = this.#pipes.input.getReader();
    const { signal } = this.#ended;
    const stop = () => void reader.cancel().catch(() => {});
    signal.addEventListener("abort", stop);
    try {
      while (!signal.aborted) {
        const { done, value } = await reader.read();
        if (done) break;
        lines.push(value);
      }
      if (!signal.aborted) lines.end();
    } catch (cause) {
      log.debug("stdin cannot be read", { cause });
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Resolves when everything has been written, or after `ms` milliseconds. */
  async flush(ms: number): Promise<void> {
    const late = new AbortController();
    await Promise.race([this.#writing, pause(ms, late.signal)]);
    late.abort();
  }

  #line(line: Bytes, receiver: Receiver): void {
    try {
      if (!isBatch(line)) return this.#frame(line, receiver);
      if (!this.batches()) {
        throw new FrameError(
          -32600,
          "Invalid request: only protocol version 2025-03-26 has batches; send each message alone",
        );
      }
      for (const part of readBatch(line)) this.#frame(part, receiver);
    } catch (cause) {
      if (!(cause instanceof FrameError)) throw cause;
      this.#write(errorResponse(cause.id, cause.code, cause.message));
    }
  }

  #frame(bytes: Bytes, receiver: Receiver): void {
    let frame;
    try {
      frame = readFrame(bytes);
    } catch (cause) {
      if (!(cause instanceof FrameError)) throw cause;
      return this.#write(errorResponse(cause.id, cause.code, cause.message));
    }
    if (frame.kind === "request") receiver.request(frame, this.#exchange);
    else if (frame.kind === "notification") receiver.notification(frame);
    else receiver.response(frame);
  }

  // ---- stdout ----

  #write(bytes: Bytes): void {
    if (this.#closed !== "") return;
    let line: Bytes;
    try {
      line = answerable(bytes);
    } catch (cause) {
      return log.warn(`A message that is no JSON is dropped: ${cause}`);
    }
    if (this.#unwritten > MAX_UNWRITTEN) {
      return this.close(`the client has left ${this.#unwritten} bytes unread`);
    }
    this.#queue.push(line);
    this.#unwritten += line.length + 1;
    this.#writing ??= this.#pump();
  }

  async #pump(): Promise<void> {
    try {
      // What else comes in this turn goes out in the same write.
      await Promise.resolve();
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        for (let next = 0; next < queue.length;) {
          let size = 0, to = next;
          for (; to < queue.length; to++) {
            const length = (queue[to]?.length ?? 0) + 1;
            if (to > next && size + length > MAX_JOINED) break;
            size += length;
          }
          await this.#flush(queue, next, to, size);
          next = to;
        }
      }
    } catch (cause) {
      this.close(
        `stdout cannot be written: ${
          cause instanceof Error ? cause.message : cause
        }`,
      );
    } finally {
      this.#writing = undefined;
    }
  }

  async #flush(
    queue: Bytes[],
    from: number,
    to: number,
    size: number,
  ): Promise<void> {
    const first = queue[from];
    if (first && size > MAX_JOINED) {
      // A large message stands alone, and a copy of it would cost more than a second write.
      await this.#writeAll(first);
      await this.#writeAll(LINE_END);
    } else {
      const all = new Uint8Array(size);
      let at = 0;
      for (let i = from; i < to; i++) {
        const line = queue[i];
        if (!line) continue;
        all.set(line, at);
        at += line.length;
        all[at++] = LINE_BREAK;
      }
      await this.#writeAll(all);
    }
    this.#unwritten -= size;
  }

  async #writeAll(bytes: Bytes): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += await this.#pipes.write(at === 0 ? bytes : bytes.subarray(at));
    }
  }
}
