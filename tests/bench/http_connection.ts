/**
 * HTTP/1.1 over one connection that is kept, by hand: a client that costs so little that what answers it is measured,
 * and not the client.
 *
 * @module
 */
import { type Bytes, decode, encode } from "./bytes.ts";

/** A response. */
export interface Reply {
  status: number;
  /** The lines of its head. */
  head: string;
  /** Its body, valid until the next exchange; empty where it is a stream that goes on. */
  body: Bytes;
}

const HEAD_END = encode("\r\n\r\n");
const READ = 256 * 1024;

/** One connection. */
export class HttpConnection {
  #socket: Deno.TcpConn;
  #buffer: Bytes = new Uint8Array(READ);
  #start = 0;
  #end = 0;

  private constructor(socket: Deno.TcpConn) {
    this.#socket = socket;
  }

  /** Connects to a port of this machine. */
  static async open(port: number): Promise<HttpConnection> {
    const socket = await Deno.connect({ hostname: "127.0.0.1", port });
    socket.setNoDelay(true);
    return new HttpConnection(socket);
  }

  /** Sends a whole request and reads the whole response, or the head of an endless one. */
  async exchange(request: Bytes, endless = false): Promise<Reply> {
    await this.#send(request);
    const head = await this.#head();
    const status = Number(head.slice(9, 12));
    if (endless) return { status, head, body: new Uint8Array() };
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    if (length !== undefined) {
      return { status, head, body: await this.#take(Number(length)) };
    }
    if (!/\r\ntransfer-encoding: *chunked/i.test(head)) {
      return { status, head, body: new Uint8Array() };
    }
    const parts: Bytes[] = [];
    for await (const part of this.chunks()) parts.push(part.slice());
    const body = new Uint8Array(await new Blob(parts).arrayBuffer());
    return { status, head, body };
  }

  /** The chunks of a response whose head has been read. Each is valid until the next. */
  async *chunks(): AsyncGenerator<Bytes> {
    while (true) {
      const size = parseInt(await this.#line(), 16);
      if (!(size > 0)) break;
      const chunk = await this.#take(size + 2);
      yield chunk.subarray(0, size);
    }
    await this.#line();
  }

  /** Ends the connection. */
  close(): void {
    this.#socket.close();
  }

  async #send(bytes: Bytes): Promise<void> {
    while (bytes.length > 0) {
      bytes = bytes.subarray(await this.#socket.write(bytes));
    }
  }

  async #head(): Promise<string> {
    while (true) {
      const at = this.#find(HEAD_END);
      if (at >= 0) return decode(await this.#take(at + HEAD_END.length));
      await this.#fill();
    }
  }

  async #line(): Promise<string> {
    while (true) {
      const at = this.#buffer.subarray(this.#start, this.#end).indexOf(10);
      if (at >= 0) return decode(await this.#take(at + 1));
      await this.#fill();
    }
  }

  #find(part: Bytes): number {
    const seen = this.#buffer.subarray(this.#start, this.#end);
    let at = seen.indexOf(13);
    while (at >= 0 && !part.every((byte, index) => seen[at + index] === byte)) {
      at = seen.indexOf(13, at + 1);
    }
    return at;
  }

  async #take(count: number): Promise<Bytes> {
    this.#reserve(count);
    while (this.#end - this.#start < count) await this.#fill();
    const from = this.#start;
    this.#start += count;
    return this.#buffer.subarray(from, this.#start);
  }

  // Makes room for so many bytes from the start on.
  #reserve(count: number): void {
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#start + count <= this.#buffer.length) return;
    const rest = this.#buffer.subarray(this.#start, this.#end);
    if (count > this.#buffer.length) {
      this.#buffer = new Uint8Array(count + READ);
    }
    this.#buffer.set(rest);
    this.#start = 0;
    this.#end = rest.length;
  }

  async #fill(): Promise<void> {
    if (this.#end === this.#buffer.length) {
      this.#reserve(this.#end - this.#start + READ);
    }
    const count = await this.#socket.read(this.#buffer.subarray(this.#end));
    if (count === null) throw new Error("The connection was closed");
    this.#end += count;
  }
}
