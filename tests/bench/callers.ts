/**
 * Clients that call `echo`: over Streamable HTTP, HTTP+SSE and stdio. Each call goes through one of several slots, whose
 * request is made once; only the id in it changes.
 *
 * @module
 */
import {
  type Bytes,
  decode,
  encode,
  join,
  LineSplitter,
  Outlet,
} from "./bytes.ts";
import { HttpConnection } from "./http_connection.ts";

/** A client with an open session. */
export interface Caller {
  /** Calls `echo` through a slot that has no call in flight. Rejects unless the right answer comes. */
  call(slot: number): Promise<void>;
  /** Goes away. */
  close(): void;
}

/** How many calls may be in flight, and how long the echoed text is. */
export interface CallerOptions {
  slots: number;
  bytes: number;
}

const INITIALIZE =
  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}';
const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
const FIRST_ID = 1_000_001; // all ids are of one length, so that a request's length is always the same

/** A request of which only the id changes. */
class Template {
  readonly bytes: Bytes;
  #at: number;

  constructor(before: Bytes, size: number) {
    const start = encode('{"jsonrpc":"2.0","id":');
    const rest = encode(
      ',"method":"tools/call","params":{"name":"echo","arguments":{"text":"',
    );
    const text = new Uint8Array(size).fill(120);
    const id = encode(`${FIRST_ID}`);
    this.bytes = join([before, start, id, rest, text, encode('"}}}')]);
    this.#at = before.length + start.length;
  }

  set id(id: number) {
    for (let at = this.#at + 6; at >= this.#at; at--) {
      this.bytes[at] = 48 + id % 10;
      id = Math.trunc(id / 10);
    }
  }
}

/** The id of a response to a call, which must be a result as long as the text. */
function answered(message: Bytes, size: number): number {
  const head = decode(message.subarray(0, 80));
  const id = /"id":(\d+)/.exec(head)?.[1];
  if (!head.includes('"result"') || message.length < size) {
    throw new Error(`Not the answer to a call: ${head}`);
  }
  return Number(id);
}

function post(path: string, headers: string, length: number): Bytes {
  return encode(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
      `accept: application/json, text/event-stream\r\n${headers}content-length: ${length}\r\n\r\n`,
  );
}

function whole(path: string, headers: string, body: string): Bytes {
  return join([post(path, headers, encode(body).length), encode(body)]);
}

/** The length of a call's body. */
function bodyLength(size: number): number {
  return new Template(new Uint8Array(), size).bytes.length;
}

/** Opens a session, and gives the headers that its requests need. */
export async function openHttpSession(
  connection: HttpConnection,
): Promise<string> {
  const opened = await connection.exchange(whole("/mcp", "", INITIALIZE));
  if (opened.status !== 200) {
    throw new Error(`initialize: ${opened.status} ${decode(opened.body)}`);
  }
  const session = /\r\nmcp-session-id: *(\S+)/i.exec(opened.head)?.[1];
  const headers = "mcp-protocol-version: 2025-06-18\r\n" +
    (session === undefined ? "" : `mcp-session-id: ${session}\r\n`);
  await connection.exchange(whole("/mcp", headers, INITIALIZED));
  return headers;
}

/** Opens the stream of a session. */
export async function openHttpStream(
  port: number,
  headers: string,
): Promise<HttpConnection> {
  const connection = await HttpConnection.open(port);
  const { status } = await connection.exchange(
    encode(
      `GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n${headers}\r\n`,
    ),
    true,
  );
  if (status !== 200) throw new Error(`GET stream: ${status}`);
  return connection;
}

/** A client over Streamable HTTP: a connection for each slot. */
export async function httpCaller(
  port: number,
  { slots, bytes }: CallerOptions,
): Promise<Caller> {
  const connections = await Promise.all(
    Array.from({ length: slots }, () => HttpConnection.open(port)),
  );
  const headers = await openHttpSession(connections[0] as HttpConnection);
  const head = post("/mcp", headers, bodyLength(bytes));
  const requests = connections.map(() => new Template(head, bytes));
  let id = FIRST_ID;
  return {
    async call(slot) {
      const request = requests[slot] as Template;
      const mine = request.id = ++id;
      const connection = connections[slot] as HttpConnection;
      const { status, body } = await connection.exchange(request.bytes);
      if (status !== 200 || answered(body, bytes) !== mine) {
        throw new Error(`Status ${status}: ${decode(body.subarray(0, 200))}`);
      }
    },
    close: () => connections.forEach((connection) => connection.close()),
  };
}

/** Who waits for which answer. */
class Waiting {
  #calls = new Map<number, PromiseWithResolvers<void>>();
  #failed: { cause: unknown } | undefined;

  add(id: number): Promise<void> {
    if (this.#failed) return Promise.reject(this.#failed.cause);
    const call = Promise.withResolvers<void>();
    this.#calls.set(id, call);
    return call.promise;
  }

  done(id: number): void {
    this.#calls.get(id)?.resolve();
    this.#calls.delete(id);
  }

  fail(cause: unknown): void {
    this.#failed = { cause };
    for (const call of this.#calls.values()) call.reject(cause);
    this.#calls.clear();
  }
}

/** A client over HTTP+SSE: a stream, and a connection for each slot. */
export async function sseCaller(
  port: number,
  { slots, bytes }: CallerOptions,
): Promise<Caller> {
  const stream = await HttpConnection.open(port);
  await stream.exchange(
    encode(
      "GET /sse HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n",
    ),
    true,
  );
  const waiting = new Waiting();
  const endpoint = Promise.withResolvers<string>();
  const opened = waiting.add(1);
  const lines = new LineSplitter();
  const read = async () => {
    for await (const chunk of stream.chunks()) {
      lines.push(chunk, (line) => {
        // "data: "
        if (line[0] !== 100) return;
        const data = line.subarray(6);
        if (data[0] === 47) endpoint.resolve(decode(data).trim());
        else {
          const id = answered(data, 0);
          if (id !== 1 && data.length < bytes) {
            throw new Error(`A short answer: ${data.length} bytes`);
          }
          waiting.done(id);
        }
      });
    }
  };
  read().catch((cause) => {
    waiting.fail(cause);
    endpoint.reject(cause);
  });
  const path = await endpoint.promise;
  const connections = await Promise.all(
    Array.from({ length: slots }, () => HttpConnection.open(port)),
  );
  const first = connections[0] as HttpConnection;
  await first.exchange(whole(path, "", INITIALIZE));
  await opened;
  await first.exchange(whole(path, "", INITIALIZED));
  const head = post(path, "", bodyLength(bytes));
  const requests = connections.map(() => new Template(head, bytes));
  let id = FIRST_ID;
  return {
    async call(slot) {
      const request = requests[slot] as Template;
      request.id = ++id;
      const answer = waiting.add(id);
      const connection = connections[slot] as HttpConnection;
      const { status } = await connection.exchange(request.bytes);
      if (status !== 202) throw new Error(`Status ${status}`);
      await answer;
    },
    close: () =>
      [stream, ...connections].forEach((connection) => connection.close()),
  };
}

/** A client over the stdin and stdout of a process. */
export async function stdioCaller(
  process: Deno.ChildProcess,
  { slots, bytes }: CallerOptions,
): Promise<Caller> {
  const writer = process.stdin.getWriter();
  writer.closed.catch(() => {});
  const outlet = new Outlet((part) => writer.write(part));
  const newline = encode("\n");
  const waiting = new Waiting();
  const opened = waiting.add(1);
  const lines = new LineSplitter();
  const read = async () => {
    for await (const chunk of process.stdout) {
      lines.push(chunk, (line) => {
        const id = answered(line, 0);
        if (id !== 1 && line.length < bytes) {
          throw new Error(`A short answer: ${line.length} bytes`);
        }
        waiting.done(id);
      });
    }
    throw new Error("The bridge has ended");
  };
  read().catch((cause) => waiting.fail(cause));
  outlet.send(encode(INITIALIZE), newline);
  await opened;
  outlet.send(encode(INITIALIZED), newline);
  const requests = Array.from(
    { length: slots },
    () => new Template(new Uint8Array(), bytes),
  );
  let id = FIRST_ID;
  return {
    call(slot) {
      const request = requests[slot] as Template;
      request.id = ++id;
      outlet.send(request.bytes, newline);
      return waiting.add(id);
    },
    close: () => void writer.close().catch(() => {}),
  };
}
