/**
 * The waist of the house. Everything that MCP traffic comes through is a leg: our own stdin and stdout, a child
 * process, a remote server, one session on our HTTP port. A client's leg hands its frames to a {@linkcode Receiver};
 * an upstream's leg takes frames with {@linkcode UpstreamLeg.send} and reports to {@linkcode UpstreamEvents}.
 *
 * @module
 */
import type { Bytes, Frame } from "../mcp/frame.ts";

/** The way back to the caller of one request: its own stream, where the transport has one. Bytes are taken at once. */
export interface Exchange {
  /** The headers that the request came with, where it came over HTTP. */
  readonly headers?: Headers | undefined;
  /** Sends a message that belongs to the running request: progress, a log line, a request of the server's. */
  push(bytes: Bytes): void;
  /** Sends the response and ends the exchange. `errorCode` is its JSON-RPC error code, 0 for a result. */
  respond(bytes: Bytes, errorCode: number): void;
  /** Ends the exchange of a request that was not accepted: HTTP answers 400 with this error. */
  refuse(bytes: Bytes): void;
  /** Ends the exchange of a request that the client has cancelled; the error is for transports that have to answer. */
  cancelled(bytes: Bytes): void;
}

/** A client as the relay sees it: a session, or our own stdin and stdout. */
export interface ClientLeg {
  /** Sends a message that belongs to no running request. The bytes are taken at once, or copied. */
  push(bytes: Bytes): void;
  /** Ends the leg, because what is behind it is gone for good; `reason` is told to the client where that is possible. */
  close(reason: string): void;
}

/** Takes what a client sends. None of these throws; a request always ends in one {@linkcode Exchange.respond}. */
export interface Receiver {
  /** A request. Gives a handle for {@linkcode Receiver.abandon}. */
  request(frame: Frame, exchange: Exchange): number;
  /** A notification. */
  notification(frame: Frame): void;
  /** The response to a request of the server's. */
  response(frame: Frame): void;
  /** The caller of a request has gone, which in the modern era is how HTTP cancels. */
  abandon(handle: number): void;
  /** The client has gone: nothing more comes, and nothing can be sent to it. */
  leave(): void;
}

/** A server, as the relay sees it. */
export interface UpstreamLeg {
  /**
   * Sends a message. `bytes` is what goes out, with ids and tokens of the proxy's own; `frame` is what it was made
   * from, for what the transport has to know of it (method, name, envelope); `id` is the request's id, 0 for anything
   * else. `headers` are those of the client's own request, of which only what the user has named may go on. Never throws:
   * what fails is reported to {@linkcode UpstreamEvents}.
   */
  send(bytes: Bytes, frame: Frame, id: number, headers?: Headers): void;
  /** The response to request `id` is no longer wanted. `bytes` is the `notifications/cancelled` that says so. */
  cancel(id: number, bytes: Bytes): void;
  /** Ends the leg and everything that it started; resolves when all of it is gone. Never rejects. */
  close(): Promise<void>;
}

/** What an upstream's leg reports. */
export interface UpstreamEvents {
  /**
   * A message. Its bytes are the leg's own, and only good until the call returns. `about` is the id of the request on whose stream it came, 0 where the transport cannot tell.
   */
  receive(frame: Frame, about: number): void;
  /**
   * Request `id` has failed on the way. The error is for people; the caller gets it as a JSON-RPC error. `code` and
   * `data` are those of the server's own error, where it gave one.
   */
  failed(id: number, message: string, code?: number, data?: unknown): void;
  /**
   * The server has forgotten the session, or the connection that was the session is gone; the leg can start a new one.
   * The requests in `undelivered` have surely not been run, so they may be sent again in the new session; any other
   * has failed already.
   */
  lost(reason: string, undelivered: number[]): void;
  /** The leg is gone for good: the process has ended. */
  closed(reason: string): void;
}
