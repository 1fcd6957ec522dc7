/**
 * An HTTP/1.1 client (RFC 9112) that sends a request once. `fetch` sends one again by itself when a kept connection
 * breaks, and so runs twice what a server had begun to run; node:http does the same.
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import { pause } from "./pause.ts";
import { onBeat, stopBeat } from "./pulse.ts";
import type { Dial } from "./dial.ts";
import { Connection, type Reply } from "./http_connection.ts";

export type { Reply } from "./http_connection.ts";

/** A request. */
export interface Request1 {
  /** The method. */
  method: string;
  /** The headers, by their names in lower case. */
  headers: Record<string, string>;
  /** The body. */
  body: Bytes | null;
  /** Breaks off whatever is going on. */
  signal: AbortSignal;
}

/** Idle connections to one server, and how long they are kept, in ms. Servers close theirs after 5 s and more. */
const MAX_IDLE = 64, MAX_IDLE_TIME = 4000;
/** How long connecting may take, in ms. */
const MAX_CONNECT = 30_000;

/** Nothing was sent, because there is no connection. The message says why. */
export class ConnectError extends Error {
  override name = "ConnectError";
}

/** Makes requests over connections that it keeps for the next ones. */
export class Http1Client {
  readonly #dial: Dial;
  readonly #idle: Map<string, Connection[]> = new Map();
  readonly #open: Set<Connection> = new Set();
  #headers: Record<string, string> | undefined;
  #block = "";

  /** Takes how connections are made. */
  constructor(dial: Dial) {
    this.#dial = dial;
  }

  /** Makes a request. Throws a {@linkcode ConnectError}, any other error where it may have been sent. */
  async fetch(url: string, request: Request1): Promise<Reply> {
    const { signal } = request, to = parsed(url);
    signal.throwIfAborted();
    // First, because it may refuse, and a connection that was taken for nothing would stay open.
    const headers = this.#format(request);
    for (;;) {
      const kept = this.#take(to.origin);
      const connection = kept ?? await this.#connect(to, signal);
      const head = `${request.method} ${
        connection.absolute ? url.replace(/#.*/, "") : to.pathname + to.search
      } HTTP/1.1\r\nhost: ${to.host}\r\n`;
      const reply = await connection.send(
        head + connection.extra + headers,
        request.body,
        signal,
      );
      if (reply) return reply;
      // The server had closed the kept connection before anything was written.
      if (!kept) throw new ConnectError("the connection was closed at once");
    }
  }

  /** Closes all connections. */
  close(): void {
    stopBeat(this.#sweep);
    for (const connection of [...this.#open]) connection.close();
  }

  #format(request: Request1): string {
    const { headers, body } = request;
    if (headers !== this.#headers) {
      let block = "accept-encoding: identity\r\n";
      for (const [name, value] of Object.entries(headers)) {
        if (/[\r\n\0]/.test(value)) {
          throw new ConnectError(
            `the value of the header ${name} holds a line break`,
          );
        }
        if (
          !/^(?:host|content-length|transfer-encoding|connection|accept-encoding)$/
            .test(name)
        ) {
          block += `${name}: ${value}\r\n`;
        }
      }
      this.#headers = headers;
      this.#block = block;
    }
    const length = body || request.method === "POST"
      ? `content-length: ${body?.length ?? 0}\r\n`
      : "";
    return `${this.#block}${length}\r\n`;
  }

  #take(origin: string): Connection | undefined {
    const idle = this.#idle.get(origin);
    if (!idle) return undefined;
    const oldest = performance.now() - MAX_IDLE_TIME;
    for (let last = idle.pop(); last; last = idle.pop()) {
      if (last.idleSince > oldest) {
        last.idleSince = Infinity;
        return last;
      }
      last.close();
    }
    return undefined;
  }

  async #connect(to: URL, signal: AbortSignal): Promise<Connection> {
    const done = new AbortController();
    const dialled = this.#dial(to);
    const gone = Promise.race([
      pause(MAX_CONNECT, done.signal),
      new Promise<void>((resolve) =>
        signal.addEventListener("abort", () => resolve(), {
          signal: done.signal,
        })
      ),
    ]).then(() => undefined);
    try {
      const line = await Promise.race([dialled, gone]);
      if (!line) {
        dialled.then(({ wire }) => wire.close(), () => {});
        signal.throwIfAborted();
        throw new ConnectError(`timed out after ${MAX_CONNECT / 1000} s`);
      }
      const connection = new Connection(line.wire, line.absolute, line.extra, {
        idle: (it) => this.#keep(to.origin, it),
        closed: (it) => this.#forget(to.origin, it),
      });
      this.#open.add(connection);
      return connection;
    } catch (cause) {
      if (cause instanceof ConnectError || signal.aborted) throw cause;
      throw new ConnectError(
        cause instanceof Error ? cause.message : String(cause),
      );
    } finally {
      done.abort();
    }
  }

  #keep(origin: string, connection: Connection): void {
    const idle = this.#idle.get(origin) ?? [];
    if (idle.length >= MAX_IDLE) return connection.close();
    idle.push(connection);
    this.#idle.set(origin, idle);
    onBeat(this.#sweep);
  }

  // Closes connections that nobody has needed for a while; `false` when none is left to look at.
  readonly #sweep = (): boolean => {
    const oldest = performance.now() - MAX_IDLE_TIME;
    let left = 0;
    for (const idle of this.#idle.values()) {
      for (const connection of [...idle]) {
        if (connection.idleSince <= oldest) connection.close();
        else left++;
      }
    }
    return left > 0;
  };

  #forget(origin: string, connection: Connection): void {
    this.#open.delete(connection);
    const idle = this.#idle.get(origin), at = idle?.indexOf(connection) ?? -1;
    if (at >= 0) idle?.splice(at, 1);
  }
}

let lastUrl = "", lastParsed: URL | undefined;

function parsed(url: string): URL {
  if (url !== lastUrl || !lastParsed) {
    lastParsed = new URL(url);
    lastUrl = url;
  }
  return lastParsed;
}
