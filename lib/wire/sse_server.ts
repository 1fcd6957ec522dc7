/**
 * HTTP+SSE towards clients of 2024-11-05 (transports: HTTP with SSE): a stream that is the session, and POSTs beside it.
 *
 * @module
 */
import { CODE } from "../mcp/eras.ts";
import { type Bytes, type Frame, FrameError, readFrame } from "../mcp/frame.ts";
import { isBatch, readBatch } from "../mcp/parts.ts";
import { encode, errorResponse } from "../mcp/message.ts";
import { encodeEvent, EventStream, STREAM_HEADERS } from "./event_stream.ts";
import type { Incoming } from "./http.ts";
import type { Backend, SessionLimits } from "./http_server.ts";
import { unavailable } from "./http_server.ts";
import type { ClientLeg, Exchange, Receiver } from "./leg.ts";
import { randomId } from "./session.ts";

/** A client's session, which is its stream. */
export class SseSession implements ClientLeg {
  /** The id in the path of its messages. */
  readonly id: string = randomId();
  /** The stream. */
  readonly stream: EventStream = new EventStream();
  /** Whose it is: nobody else may use it. */
  readonly principal: string;
  /** Where its messages go. */
  receiver: Receiver | undefined;
  /** Called once when it ends. */
  onclose: () => void = () => {};
  /** The way back of all its requests. */
  readonly exchange: Exchange;

  /** Opens a session; `headers` are those of its stream's request. */
  constructor(principal: string, headers: Headers) {
    this.principal = principal;
    const send = (bytes: Bytes) => this.push(bytes);
    this.exchange = {
      headers,
      push: send,
      respond: send,
      refuse: send,
      cancelled() {},
    };
    this.stream.ongone = () => this.#end();
  }

  /** Sends a message. */
  push(bytes: Bytes): void {
    this.stream.write(encodeEvent(bytes));
  }

  /** Ends the session. */
  close(): void {
    this.stream.close();
    this.#end();
  }

  #end(): void {
    this.receiver?.leave();
    this.receiver = undefined;
    this.onclose();
  }
}

/** One endpoint. */
export class SseFront {
  /** Its sessions, by the id in their messages' path. */
  readonly sessions: Map<string, SseSession> = new Map();
  #backend: Backend;
  #limits: SessionLimits;
  #messages: string;

  /** Takes what is behind it, and the path of its messages below its own. */
  constructor(backend: Backend, limits: SessionLimits, messages: string) {
    this.#backend = backend;
    this.#limits = limits;
    this.#messages = messages;
  }

  /** Answers a GET: opens a session. */
  async get(incoming: Incoming): Promise<Response> {
    if (this.#limits.full()) {
      return unavailable(
        new Error(
          `There are ${this.#limits.maxSessions} sessions already; try again later${this.#limits.remedy}`,
        ),
      );
    }
    const { principal, request } = incoming;
    const session = new SseSession(principal, request.headers);
    this.sessions.set(session.id, session);
    let gone = false;
    session.onclose = () => {
      gone = true;
      this.sessions.delete(session.id);
    };
    try {
      session.receiver = await this.#backend.session(
        session,
        incoming.principal,
      );
    } catch (cause) {
      session.close();
      return unavailable(cause);
    }
    if (gone) {
      session.receiver.leave();
      return unavailable(new Error("The server is shutting down"));
    }
    session.stream.write(
      encode(
        `event: endpoint\ndata: ${incoming.base}${this.#messages}${session.id}\n\n`,
      ),
    );
    return new Response(session.stream.body, { headers: STREAM_HEADERS });
  }

  /** Finds the session that a POST is for, before its body is read; a response where there is none. */
  find(incoming: Incoming, sessionId: string | null): SseSession | Response {
    if (sessionId === null || sessionId === "") {
      return new Response("session_id is required", { status: 400 });
    }
    const id = sessionId.replaceAll("-", "");
    const session = this.sessions.get(id);
    if (session && session.principal === incoming.principal) return session;
    if (!/^[0-9a-f]{32}$/.test(id)) {
      return new Response("Invalid session ID", { status: 400 });
    }
    return new Response("Could not find session", { status: 404 });
  }

  /** Takes a message of a session. */
  post(session: SseSession, body: Bytes): Response {
    const { receiver } = session;
    if (!receiver) {
      return new Response("Could not find session", { status: 404 });
    }
    try {
      // The version is agreed on in messages that pass by unread here, so batches are taken from whoever sends them.
      const frames = isBatch(body)
        ? readBatch(body).map((part) => readFrame(part))
        : [readFrame(body)];
      if (!frames.every((frame) => frame.versioned)) {
        throw new FrameError(-32600, 'jsonrpc must be "2.0"', frames[0]?.id);
      }
      for (const frame of frames) deliver(receiver, session, frame);
    } catch (cause) {
      if (!(cause instanceof FrameError)) throw cause;
      return new Response(
        errorResponse(
          cause.id,
          cause.code,
          `Could not parse message: ${cause.message}`,
        ),
        {
          status: 400,
          headers: { "content-type": "application/json" },
        },
      );
    }
    return new Response("Accepted", { status: 202 });
  }

  /** Ends all sessions. */
  close(): void {
    for (const session of [...this.sessions.values()]) session.close();
  }
}

function deliver(receiver: Receiver, session: SseSession, frame: Frame): void {
  if (frame.versionAt >= 0 && frame.kind === "request") {
    const text =
      "This transport is of a protocol version with initialize; modern clients use Streamable HTTP";
    session.push(errorResponse(frame.id, CODE.invalidRequest, text));
  } else if (frame.kind === "request") {
    receiver.request(frame, session.exchange);
  } else if (frame.kind === "notification") receiver.notification(frame);
  else receiver.response(frame);
}
