/**
 * Streamable HTTP towards legacy clients (MCP 2025-03-26 to 2025-11-25, transports): sessions, their streams, and
 * resumption.
 *
 * @module
 */
import { CODE, LEGACY_VERSIONS } from "../mcp/eras.ts";
import { type Bytes, type Frame, FrameError, readFrame } from "../mcp/frame.ts";
import { readBatch } from "../mcp/parts.ts";
import { Answer, type AnswerStream } from "./answer.ts";
import { Batch } from "./batch.ts";
import { encodeEvent, EventStream, STREAM_HEADERS } from "./event_stream.ts";
import { accepts, type Incoming, onHangUp, refusal } from "./http.ts";
import type { ClientLeg, Receiver } from "./leg.ts";
import { onBeat, stopBeat } from "./pulse.ts";
import { Session } from "./session.ts";

/** What is behind a front: where the messages of a new client go. */
export interface Backend {
  /**
   * Joins a client with a session of its own; `principal` is the token that it showed. Rejects with an error for people
   * where the server cannot be reached.
   */
  session(leg: ClientLeg, principal: string): Promise<Receiver>;
  /** Where messages of clients without a session go. Rejects likewise. */
  shared(): Promise<Receiver>;
}

/** Bounds of a front's sessions. */
export interface SessionLimits {
  /** How many there may be. */
  maxSessions: number;
  /** What a person can do about it, as `, or raise --max-sessions`; `""` where that is nothing. */
  remedy: string;
  /** Whether there are that many, over all transports of one server. */
  full(): boolean;
  /** After how many ms without use one ends. */
  idleMs: number;
}

const ACCEPTED = () => new Response(null, { status: 202 });
const NO_HEADERS: Record<string, string> = {};
const MAX_BATCH = 100;
const legacyStatus = (code: number) =>
  code === CODE.unsupportedVersion ? 400 : 200;
// A server that cannot say hello cannot be reached.
const openingStatus = (code: number) =>
  code === CODE.internal ? 503 : legacyStatus(code);

/** One endpoint. */
export class StreamableFront {
  /** Its sessions, by `Mcp-Session-Id`. */
  readonly sessions: Map<string, Session> = new Map();
  #backend: Backend;
  #limits: SessionLimits;
  #stateless: boolean;
  #ended: Map<string, string> = new Map();
  #beat = () => this.#sweep();

  /** Takes what is behind it; `stateless` serves without sessions. */
  constructor(backend: Backend, limits: SessionLimits, stateless: boolean) {
    this.#backend = backend;
    this.#limits = limits;
    this.#stateless = stateless;
  }

  /** Answers a POST whose body has been read. */
  post(
    incoming: Incoming,
    body: Bytes,
    frame: Frame | undefined,
  ): Promise<Response> | Response {
    const { headers } = incoming.request;
    const version = headers.get("mcp-protocol-version");
    const sessionId = headers.get("mcp-session-id");
    if (this.#stateless) return this.#withoutSession(incoming, body, frame);
    if (sessionId === null) {
      if (frame?.kind === "request" && frame.method === "initialize") {
        return this.#open(incoming, frame);
      }
      return refusal(
        400,
        CODE.invalidRequest,
        "Bad Request: Missing session ID; send initialize first",
        frame?.id || undefined,
      );
    }
    const session = this.#find(
      sessionId,
      incoming.principal,
      frame?.id || undefined,
    );
    if (session instanceof Response) return session;
    if (
      version !== null && version !== session.version &&
      !LEGACY_VERSIONS.some((known) => known === version)
    ) {
      return refusal(
        400,
        CODE.invalidRequest,
        badVersion(version),
        frame?.id || undefined,
      );
    }
    session.touch();
    if (frame) return this.#take(session, incoming.request, frame);
    if (session.version !== "2025-03-26") {
      return refusal(
        400,
        CODE.invalidRequest,
        `Invalid request: protocol version ${session.version} has no batches`,
      );
    }
    return this.#batch(session, incoming.request, readBatch(body));
  }

  /** Answers a GET: the stream for what belongs to no request, or the rest of one that was cut off. */
  get(incoming: Incoming): Response {
    const { headers } = incoming.request;
    if (this.#stateless) {
      return notAllowed(
        "This server has no sessions, so there is no stream to open",
        "POST",
      );
    }
    if (!accepts(incoming.request).stream) {
      return refusal(
        406,
        CODE.invalidRequest,
        "Not Acceptable: Accept must include text/event-stream",
      );
    }
    const session = this.#sessionOf(incoming);
    if (session instanceof Response) return session;
    const lastEventId = headers.get("last-event-id");
    const body = session.listen(lastEventId);
    if (!body) {
      return refusal(
        400,
        CODE.invalidRequest,
        `Nothing is kept for Last-Event-ID "${lastEventId}"`,
      );
    }
    return new Response(body, {
      headers: { ...STREAM_HEADERS, "mcp-session-id": session.id },
    });
  }

  /** Answers a DELETE: the client ends its session. */
  delete(incoming: Incoming): Response {
    if (this.#stateless) {
      return notAllowed(
        "Method Not Allowed: Session termination not supported",
        "POST",
      );
    }
    const session = this.#sessionOf(incoming);
    if (session instanceof Response) return session;
    session.close("Session has been terminated");
    return new Response(null, { status: 200 });
  }

  /** Ends all sessions. */
  close(reason: string): void {
    for (const session of [...this.sessions.values()]) session.close(reason);
    stopBeat(this.#beat);
  }

  // The session that a request without a body names.
  #sessionOf({ request, principal }: Incoming): Session | Response {
    const sessionId = request.headers.get("mcp-session-id");
    if (sessionId !== null) return this.#find(sessionId, principal);
    const text = "Bad Request: Missing session ID";
    return refusal(400, CODE.invalidRequest, text);
  }

  #find(sessionId: string, principal: string, id?: string): Session | Response {
    const session = this.sessions.get(sessionId);
    if (session && session.principal === principal) return session;
    const ended = this.#ended.get(sessionId);
    return refusal(
      404,
      CODE.invalidRequest,
      ended ? `Not Found: ${ended}` : "Session not found",
      id,
    );
  }

  async #open(incoming: Incoming, frame: Frame): Promise<Response> {
    const accept = accepts(incoming.request);
    if (!accept.json && !accept.stream) return notAcceptable(frame.id);
    if (this.#limits.full()) {
      const text =
        `There are ${this.#limits.maxSessions} sessions already; try again later${this.#limits.remedy}`;
      return refusal(503, CODE.internal, text, frame.id, {
        headers: { "retry-after": "5" },
      });
    }
    const session = new Session(incoming.principal);
    this.sessions.set(session.id, session);
    onBeat(this.#beat);
    session.onclose = (reason) => this.#forget(session, reason);
    session.running++;
    let receiver: Receiver;
    try {
      receiver = await this.#backend.session(session, incoming.principal);
    } catch (cause) {
      session.close("could not be opened");
      return unavailable(cause, frame.id);
    }
    session.running--;
    if (session.closed) {
      receiver.leave();
      return unavailable(new Error("The server is shutting down"), frame.id);
    }
    session.receiver = receiver;
    let failed = false;
    const answer: Answer = this.#answer(
      session,
      incoming.request,
      { "mcp-session-id": session.id },
      openingStatus,
      () =>
        onHangUp(incoming.request, () => {
          // Nobody has learned of the session, so nobody could ever use or end it.
          if (!answer.done && !answer.streamed) {
            session.close("the client went away before it was opened");
          }
        }),
    );
    receiver.request(frame, {
      headers: answer.headers,
      push: (bytes) => answer.push(bytes),
      respond: (bytes, code) => {
        failed = code !== 0;
        if (!failed) session.version = agreedVersion(bytes);
        answer.respond(bytes, code);
      },
      refuse: (bytes) => answer.refuse(bytes),
      cancelled: (bytes) => answer.cancelled(bytes),
    });
    const response = await answer.response;
    if (answer.done && failed) {
      session.close("could not be opened");
      response.headers.delete("mcp-session-id");
    }
    return response;
  }

  #take(
    session: Session,
    request: Request,
    frame: Frame,
  ): Promise<Response> | Response {
    const { receiver } = session;
    if (!receiver) {
      return refusal(
        400,
        CODE.invalidRequest,
        "The session is not open yet",
        frame.id || undefined,
      );
    }
    if (frame.kind === "request") {
      const accept = accepts(request);
      if (!accept.json && !accept.stream) return notAcceptable(frame.id);
      const answer = this.#answer(session, request, NO_HEADERS, legacyStatus);
      receiver.request(frame, answer);
      return answer.response;
    }
    if (frame.kind === "notification") receiver.notification(frame);
    else receiver.response(frame);
    return ACCEPTED();
  }

  #answer(
    session: Session,
    request: Request,
    headers: Record<string, string>,
    statusOf: (errorCode: number) => number,
    onwait?: () => void,
  ): Answer {
    const accept = accepts(request);
    session.running++;
    return new Answer({
      open: accept.stream ? () => session.answer() : undefined,
      streamOnly: !accept.json,
      headers,
      statusOf,
      divert: (bytes) => session.push(bytes),
      asked: request.headers,
      ...onwait === undefined ? {} : { onwait },
      ondone: () => {
        session.running--;
        session.touch();
      },
    });
  }

  #batch(
    session: Session,
    request: Request,
    parts: Bytes[],
  ): Promise<Response> | Response {
    const { receiver } = session;
    if (!receiver) {
      return refusal(400, CODE.invalidRequest, "The session is not open yet");
    }
    if (parts.length > MAX_BATCH) {
      return refusal(
        400,
        CODE.invalidRequest,
        `Invalid request: a batch can have ${MAX_BATCH} messages, not ${parts.length}`,
      );
    }
    const frames = parts.map((part) => readFrame(part));
    if (!frames.every((frame) => frame.versioned)) {
      return refusal(
        400,
        CODE.invalidRequest,
        'Invalid request: jsonrpc must be "2.0"',
      );
    }
    if (frames.some((frame) => frame.method === "initialize")) {
      return refusal(
        400,
        CODE.invalidRequest,
        "Invalid request: initialize cannot be part of a batch",
      );
    }
    const requests = frames.filter((frame) => frame.kind === "request");
    const batch = requests.length > 0
      ? new Batch(
        this.#answer(session, request, NO_HEADERS, legacyStatus),
        requests.length,
      )
      : undefined;
    for (const frame of frames) {
      if (frame.kind === "request") {
        batch && receiver.request(frame, batch.part());
      } else if (frame.kind === "notification") receiver.notification(frame);
      else receiver.response(frame);
    }
    return batch ? batch.response : ACCEPTED();
  }

  async #withoutSession(
    incoming: Incoming,
    body: Bytes,
    frame: Frame | undefined,
  ): Promise<Response> {
    if (!frame) {
      throw new FrameError(
        -32600,
        `Invalid request: batches need a session (${
          readBatch(body).length
        } messages)`,
      );
    }
    let receiver: Receiver;
    try {
      receiver = await this.#backend.shared();
    } catch (cause) {
      return unavailable(cause, frame.id || undefined);
    }
    if (frame.kind === "notification") receiver.notification(frame);
    // A response can only be to a request that was never made here.
    if (frame.kind !== "request") return ACCEPTED();
    const accept = accepts(incoming.request);
    if (!accept.json && !accept.stream) return notAcceptable(frame.id);
    const answer: Answer = new Answer({
      open: accept.stream ? openStream : undefined,
      streamOnly: !accept.json,
      headers: NO_HEADERS,
      statusOf: legacyStatus,
      divert: () => {},
      asked: incoming.request.headers,
      ondone: () => {},
      onwait: () =>
        onHangUp(
          incoming.request,
          () => answer.done || receiver.abandon(handle),
        ),
    });
    const handle = receiver.request(frame, answer);
    return await answer.response;
  }

  #sweep(): boolean {
    for (const session of [...this.sessions.values()]) {
      session.store.age();
      if (session.idle >= this.#limits.idleMs) {
        session.close("Session was idle for too long");
      }
    }
    return this.sessions.size > 0;
  }

  #forget(session: Session, reason: string): void {
    this.sessions.delete(session.id);
    // Whoever comes back is told why the session is gone.
    this.#ended.set(session.id, reason);
    if (this.#ended.size <= 1000) return;
    for (const oldest of this.#ended.keys()) {
      this.#ended.delete(oldest);
      break;
    }
  }
}

/** A stream of an answer that cannot be resumed: its messages carry no ids. */
export function openStream(): AnswerStream & { stream: EventStream } {
  const stream = new EventStream();
  return {
    stream,
    body: stream.body,
    send: (bytes) => void stream.write(encodeEvent(bytes)),
    close: () => stream.close(),
  };
}

/** The answer where the server behind cannot be reached. */
export function unavailable(cause: unknown, id?: string): Response {
  const text = cause instanceof Error ? cause.message : String(cause);
  return refusal(503, CODE.internal, text, id, {
    headers: { "retry-after": "1" },
  });
}

function agreedVersion(response: Bytes): string {
  try {
    const frame = readFrame(response);
    const result = frame.value(frame.resultAt, frame.resultEnd) as {
      protocolVersion?: unknown;
    } | null;
    return typeof result?.protocolVersion === "string"
      ? result.protocolVersion
      : "";
  } catch {
    return "";
  }
}

function notAcceptable(id: string): Response {
  return refusal(
    406,
    CODE.invalidRequest,
    "Not Acceptable: Accept must include application/json or text/event-stream",
    id,
  );
}

function notAllowed(text: string, allow: string): Response {
  return refusal(405, CODE.invalidRequest, text, undefined, {
    headers: { allow },
  });
}

function badVersion(version: string): string {
  return `Bad Request: Unsupported protocol version "${version}"; supported versions: ${
    LEGACY_VERSIONS.join(", ")
  }`;
}
