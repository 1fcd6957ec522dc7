/**
 * A remote server, whatever it speaks.
 *
 * @module
 */
import { log } from "../log.ts";
import type { Bytes, Frame } from "../mcp/frame.ts";
import { HttpClient } from "./http_client.ts";
import type { UpstreamEvents, UpstreamLeg } from "./leg.ts";
import { SseClient } from "./sse_client.ts";
import { Target, type TargetOptions } from "./target.ts";

export type { Credential, Fetch } from "./target.ts";

/** How a remote server is spoken to; `auto` finds out. */
export type RemoteTransport = "auto" | "streamable-http" | "sse";

/** How to reach a remote server, and how to speak to it. */
export interface RemoteOptions extends TargetOptions {
  /** What it speaks. */
  transport: RemoteTransport;
}

/**
 * The leg of a remote server. It connects with the first message, and again when it has to: `closed` is never reported.
 * Throws where the URL is none.
 */
export function openRemote(
  options: RemoteOptions,
  events: UpstreamEvents,
): UpstreamLeg {
  const target = new Target(options);
  switch (options.transport) {
    case "streamable-http":
      return new HttpClient(target, events);
    case "sse":
      return new SseClient(target, events);
    case "auto":
      return new AutoClient(target, events);
  }
}

interface Waiting {
  bytes: Bytes;
  frame: Frame;
  id: number;
  headers: Headers | undefined;
}

/**
 * Streamable HTTP first, then HTTP+SSE, as the specification's rule for old servers says (2025-11-25, transports:
 * backwards compatibility); the other way round where the path ends in `/sse`. Until the server has shown what it speaks,
 * one request at a time asks it.
 */
class AutoClient implements UpstreamLeg {
  readonly #target: Target;
  readonly #events: UpstreamEvents;
  #leg: UpstreamLeg | undefined;
  #trying: UpstreamLeg | undefined;
  #asking: Waiting | undefined;
  #queue: Waiting[] = [];
  #closed = false;

  constructor(target: Target, events: UpstreamEvents) {
    this.#target = target;
    this.#events = events;
  }

  send(bytes: Bytes, frame: Frame, id: number, headers?: Headers): void {
    if (this.#leg) return this.#leg.send(bytes, frame, id, headers);
    // A notification before any request has succeeded is about nothing.
    if (this.#closed || (id === 0 && !this.#asking)) return;
    this.#queue.push({ bytes, frame, id, headers });
    this.#next();
  }

  cancel(id: number, bytes: Bytes): void {
    if (this.#leg) return this.#leg.cancel(id, bytes);
    this.#queue = this.#queue.filter((waiting) => waiting.id !== id);
    if (this.#asking?.id !== id) return;
    this.#trying?.cancel(id, bytes);
    this.#asking = undefined;
    this.#next();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#leg?.close(), this.#trying?.close()]);
  }

  #next(): void {
    if (this.#asking || this.#leg || this.#closed) return;
    let next = this.#queue.shift();
    while (next?.id === 0) next = this.#queue.shift();
    if (!next) return;
    this.#asking = next;
    if (new URL(this.#target.url).pathname.endsWith("/sse")) {
      this.#trySse(next, "");
    } else this.#tryHttp(next, "");
  }

  #tryHttp(asking: Waiting, before: string): void {
    let unsuitable = 0;
    const leg = new HttpClient(this.#target, {
      receive: (frame, about) => {
        this.#choose(leg, "Streamable HTTP");
        this.#events.receive(frame, about);
      },
      lost: (reason, undelivered) => this.#events.lost(reason, undelivered),
      closed: (reason) => this.#events.closed(reason),
      failed: (id, message, code, data) => {
        if (this.#leg === leg) {
          return this.#events.failed(id, message, code, data);
        }
        if (code !== undefined) {
          this.#choose(leg, "Streamable HTTP");
          return this.#events.failed(id, message, code, data);
        }
        if (this.#asking !== asking) return;
        void leg.close();
        if (unsuitable > 0 && before === "") {
          return this.#trySse(asking, message);
        }
        this.#give(
          asking,
          before === "" ? message : `${message}; as HTTP+SSE: ${before}`,
        );
      },
    });
    leg.onunsuitable = (_, status) =>
      unsuitable = [200, 400, 404, 405].includes(status) ? status : 0;
    this.#trying = leg;
    leg.send(asking.bytes, asking.frame, asking.id, asking.headers);
  }

  #trySse(asking: Waiting, before: string): void {
    const leg = new SseClient(this.#target, this.#events);
    this.#trying = leg;
    leg.open().then(() => {
      if (this.#asking !== asking) return void leg.close();
      this.#choose(leg, "HTTP+SSE");
      leg.send(asking.bytes, asking.frame, asking.id, asking.headers);
      this.#flush();
    }, (cause) => {
      void leg.close();
      if (this.#asking !== asking) return;
      const why = cause instanceof Error ? cause.message : String(cause);
      if (before === "" && cause?.failure === "refused") {
        return this.#tryHttp(asking, why);
      }
      this.#give(
        asking,
        before === "" ? why : `${before}; as HTTP+SSE: ${why}`,
      );
    });
  }

  /** The server has shown what it speaks. */
  #choose(leg: UpstreamLeg, what: string): void {
    if (this.#leg || this.#closed) return;
    log.debug(`${this.#target.shown} speaks ${what}`);
    this.#leg = leg;
    this.#asking = undefined;
    // What waits goes out after the message that told has been dealt with.
    if (what === "Streamable HTTP") queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    for (const { bytes, frame, id, headers } of this.#queue.splice(0)) {
      this.#leg?.send(bytes, frame, id, headers);
    }
  }

  /** The question could not be answered: the request fails, and the next one asks again. */
  #give(asking: Waiting, message: string): void {
    this.#asking = undefined;
    this.#trying = undefined;
    if (asking.id !== 0) this.#events.failed(asking.id, message);
    this.#next();
  }
}
