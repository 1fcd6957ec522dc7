/**
 * One connection of the HTTP/1.1 client: requests one after the other, and bodies as they come (RFC 9112).
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import type { Wire } from "./dial.ts";
import { Body, collect, used } from "./http_body.ts";

/** The part of a response that is needed; one of `fetch` has it too. */
export interface Reply {
  /** The status. */
  readonly status: number;
  /** What the server calls the status, or `""`. */
  readonly statusText: string;
  /** The headers. */
  readonly headers: { get(name: string): string | null };
  /** The body, piece by piece; the pieces may be kept. To be read to its end, or cancelled. */
  readonly body:
    | (AsyncIterable<Uint8Array> & { cancel(): Promise<void> })
    | null;
  /** Reads the whole body. */
  bytes(): Promise<Bytes>;
}

/** What a head of a response, or a line of a chunked body, may measure, in bytes. */
const MAX_HEAD = 256 * 1024;
const BUFFER = 64 * 1024;
const encoder = new TextEncoder(), decoder = new TextDecoder();
const CR = 13, LF = 10;

/** Who keeps a connection, and is told when it is free or gone. */
export interface Owner {
  /** It waits for a request. */
  idle(connection: Connection): void;
  /** It is closed. */
  closed(connection: Connection): void;
}

/** One connection: it sends requests one after the other. */
export class Connection {
  /** Since when it waits for a request, in ms of the monotonic clock. */
  idleSince = Infinity;
  /** Requests name the whole URL, as a proxy wants it. */
  readonly absolute: boolean;
  /** Headers that every request needs on the way. */
  readonly extra: string;
  readonly #wire: Wire;
  readonly #owner: Owner;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array(BUFFER);
  /** What has been read and not been used: `#buffer` from `#at` to `#end`. */
  #at = 0;
  #end = 0;
  #reading: Promise<number | null> | undefined;
  #closed = false;
  #writing = 0;
  #keepAlive = true;
  #signal: AbortSignal | undefined;
  readonly #abort = () => this.close();

  /** Takes the bytes both ways, what its `Line` says, and who keeps it. */
  constructor(wire: Wire, absolute: boolean, extra: string, owner: Owner) {
    this.#wire = wire;
    this.absolute = absolute;
    this.extra = extra;
    this.#owner = owner;
  }

  /** Closes it, whatever goes on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal?.removeEventListener("abort", this.#abort);
    try {
      this.#wire.close();
    } catch { /* the other side was faster */ }
    this.#owner.closed(this);
  }

  /** Sends a request; `undefined` where the connection turned out to be closed before anything was written. */
  async send(
    head: string,
    body: Bytes | null,
    signal: AbortSignal,
  ): Promise<Reply | undefined> {
    this.#signal = signal;
    signal.addEventListener("abort", this.#abort);
    try {
      const bytes = together(head, body);
      let first = 0;
      try {
        first = await this.#wire.write(bytes);
      } catch (cause) {
        this.close();
        signal.throwIfAborted();
        if (cause instanceof Error) return undefined;
      }
      // The server may answer before it has read everything.
      if (first < bytes.length) this.#write(bytes.subarray(first));
      if (body && bytes.length < head.length + body.length) this.#write(body);
      return await this.#reply();
    } catch (cause) {
      this.close();
      if (signal.aborted) throw signal.reason;
      throw cause;
    }
  }

  #write(bytes: Uint8Array): void {
    this.#writing++;
    const before = this.#written;
    this.#written = (async () => {
      await before;
      for (let at = 0; at < bytes.length;) {
        at += await this.#wire.write(bytes.subarray(at));
      }
      this.#writing--;
    })().catch(() => {});
  }
  #written: Promise<void> = Promise.resolve();

  // ---- reading ----

  /** Reads more; `false` at the end. What was read before stays where it is relative to `#at`. */
  async #more(): Promise<boolean> {
    if (this.#at === this.#end) this.#at = this.#end = 0;
    let reading = this.#reading;
    this.#reading = undefined;
    if (!reading) {
      if (this.#end === this.#buffer.length) {
        if (this.#end - this.#at > MAX_HEAD) {
          throw new Error("the server sends a line or head that is too long");
        }
        const larger = new Uint8Array(
          this.#at > 0 ? this.#buffer.length : this.#buffer.length * 2,
        );
        larger.set(this.#buffer.subarray(this.#at, this.#end));
        this.#end -= this.#at;
        this.#at = 0;
        this.#buffer = larger;
      }
      reading = this.#wire.read(this.#buffer.subarray(this.#end));
    }
    const count = await reading;
    if (count === null) return false;
    this.#end += count;
    return true;
  }

  async #reply(): Promise<Reply> {
    for (let from = 0;;) {
      const stop = endOfHead(this.#buffer, this.#at + from, this.#end);
      if (stop < 0) {
        from = Math.max(0, this.#end - this.#at - 3);
        if (!await this.#more()) {
          throw new Error("connection closed before the answer was complete");
        }
        continue;
      }
      const head = decoder.decode(this.#buffer.subarray(this.#at, stop));
      this.#at = stop;
      from = 0;
      const status = /^HTTP\/1\.([01]) (\d{3}) ?([^\r\n]*)/.exec(head);
      if (!status) {
        throw new Error(
          `the server does not speak HTTP/1.1: ${
            JSON.stringify(head.slice(0, 40))
          }`,
        );
      }
      const code = Number(status[2]);
      // 100 and 103 only announce an answer.
      if (code >= 200) {
        return this.#read(code, status[3] ?? "", head, status[1] === "1");
      }
      if (code === 101) throw new Error("the server wants another protocol");
    }
  }

  #read(
    status: number,
    statusText: string,
    head: string,
    persistent: boolean,
  ): Reply {
    const lower = head.toLowerCase();
    const get = (name: string): string | null => {
      const at = lower.indexOf(`\n${name}:`);
      if (at < 0) return null;
      const from = at + name.length + 2, end = head.indexOf("\n", from);
      return head.slice(from, end < 0 ? undefined : end).trim();
    };
    const connection = get("connection")?.toLowerCase() ?? "";
    this.#keepAlive = persistent
      ? !connection.includes("close")
      : connection.includes("keep-alive");
    const encoding = get("content-encoding");
    if (encoding !== null && encoding.toLowerCase() !== "identity") {
      throw new Error(`the answer is encoded as ${encoding}, unasked`);
    }
    const chunked =
      get("transfer-encoding")?.toLowerCase().includes("chunked") ?? false;
    const length = get("content-length");
    const headers = { get };
    if (
      status === 204 || status === 304 ||
      (!chunked && length !== null && Number(length) === 0)
    ) {
      this.#over();
      return {
        status,
        statusText,
        headers,
        body: null,
        bytes: () => Promise.resolve(new Uint8Array()),
      };
    }
    if (!chunked && length !== null) {
      if (!/^\d+$/.test(length)) {
        throw new Error(`the answer is ${length} bytes long`);
      }
      const size = Number(length);
      const body: Body = new Body(
        (): Promise<Uint8Array | undefined> => this.#some(size - body.taken),
        () => this.close(),
      );
      return {
        status,
        statusText,
        headers,
        body,
        bytes: () => body.claim() ? this.#exactly(size) : used(),
      };
    }
    const chunks = { left: 0, first: true };
    const body = new Body(
      () => chunked ? this.#chunk(chunks) : this.#untilClose(),
      () => this.close(),
    );
    return {
      status,
      statusText,
      headers,
      body,
      bytes: () => body.claim() ? collect(body) : used(),
    };
  }

  /** The body is over: the connection is free for the next request, or done with. */
  #over(): void {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#signal = undefined;
    if (
      !this.#keepAlive || this.#writing > 0 || this.#at < this.#end ||
      this.#closed
    ) return this.close();
    this.#at = this.#end = 0;
    if (this.#buffer.length > BUFFER) this.#buffer = new Uint8Array(BUFFER);
    this.idleSince = performance.now();
    // A server that closes the connection, or says something unasked, is noticed here and at once.
    this.#reading = this.#wire.read(this.#buffer);
    const dead = () => {
      if (this.idleSince !== Infinity) this.close();
    };
    this.#reading.then(dead, dead);
    this.#owner.idle(this);
  }

  async #guard<T>(run: () => Promise<T>): Promise<T> {
    const signal = this.#signal;
    try {
      return await run();
    } catch (cause) {
      this.close();
      if (signal?.aborted) throw signal.reason;
      throw cause;
    }
  }

  /** A body of known size, whole. */
  #exactly(size: number): Promise<Bytes> {
    return this.#guard(async () => {
      const bytes = new Uint8Array(size);
      let at = Math.min(size, this.#end - this.#at);
      bytes.set(this.#buffer.subarray(this.#at, this.#at + at));
      this.#at += at;
      while (at < size) {
        const count = await this.#wire.read(bytes.subarray(at));
        if (count === null) {
          throw new Error("connection closed before the answer was complete");
        }
        at += count;
      }
      this.#over();
      return bytes;
    });
  }

  /** Some of a body of which `left` bytes are missing. */
  #some(left: number): Promise<Uint8Array | undefined> {
    return this.#guard(async () => {
      if (left === 0) {
        this.#over();
        return undefined;
      }
      if (this.#at === this.#end && !await this.#more()) {
        throw new Error("connection closed before the answer was complete");
      }
      return this.#cut(left);
    });
  }

  #untilClose(): Promise<Uint8Array | undefined> {
    return this.#guard(async () => {
      if (this.#at === this.#end && !await this.#more()) {
        this.close();
        return undefined;
      }
      return this.#cut(Infinity);
    });
  }

  /** The next piece of a chunked body (RFC 9112, 7.1). */
  #chunk(
    chunks: { left: number; first: boolean },
  ): Promise<Uint8Array | undefined> {
    return this.#guard(async () => {
      if (chunks.left === 0) {
        if (!chunks.first && await this.#line() !== "") {
          throw new Error("a chunk is longer than it says");
        }
        chunks.first = false;
        const size = /^[0-9a-f]{1,12}(?=\s*(?:;|$))/i.exec(await this.#line())
          ?.[0];
        if (size === undefined) {
          throw new Error("a chunk does not say how long it is");
        }
        chunks.left = parseInt(size, 16);
        if (chunks.left === 0) {
          while (await this.#line() !== "");
          this.#over();
          return undefined;
        }
      }
      if (this.#at === this.#end && !await this.#more()) {
        throw new Error("connection closed before the answer was complete");
      }
      const piece = this.#cut(chunks.left);
      chunks.left -= piece.length;
      return piece;
    });
  }

  #cut(most: number): Uint8Array {
    const end = Math.min(this.#end, this.#at + most),
      piece = this.#buffer.slice(this.#at, end);
    this.#at = end;
    return piece;
  }

  async #line(): Promise<string> {
    for (;;) {
      const lf = this.#buffer.subarray(0, this.#end).indexOf(LF, this.#at);
      if (lf >= 0) {
        const end = lf > this.#at && this.#buffer[lf - 1] === CR ? lf - 1 : lf;
        const line = decoder.decode(this.#buffer.subarray(this.#at, end));
        this.#at = lf + 1;
        return line;
      }
      if (!await this.#more()) {
        throw new Error("connection closed before the answer was complete");
      }
    }
  }
}

/** Head and body in one piece where that is cheap, so that they go out in one write. */
function together(head: string, body: Bytes | null): Bytes {
  if (!body || body.length > BUFFER) return encoder.encode(head);
  // Nearly always ASCII, where each char is a byte.
  const all = new Uint8Array(head.length + body.length);
  const { read, written } = encoder.encodeInto(head, all);
  if (read !== head.length || written !== head.length) {
    const front = encoder.encode(head),
      both = new Uint8Array(front.length + body.length);
    both.set(front);
    both.set(body, front.length);
    return both;
  }
  all.set(body, written);
  return all;
}

/** Where a head ends, its empty line included; -1 where it does not yet. */
function endOfHead(bytes: Uint8Array, from: number, end: number): number {
  for (
    let lf = bytes.indexOf(LF, from);
    lf >= 0 && lf < end;
    lf = bytes.indexOf(LF, lf + 1)
  ) {
    if (lf + 1 < end && bytes[lf + 1] === LF) return lf + 2;
    if (lf + 2 < end && bytes[lf + 1] === CR && bytes[lf + 2] === LF) {
      return lf + 3;
    }
  }
  return -1;
}
