import { isModern } from "../mcp/eras.ts";
import { readFrame } from "../mcp/frame.ts";
import { isBatch } from "../mcp/parts.ts";
import { oneLine } from "../mcp/splice.ts";
import type { Backend, SessionLimits } from "../wire/http_server.ts";
import { StreamableFront } from "../wire/http_server.ts";
import { type Incoming, readBody, refusal, unreadable } from "../wire/http.ts";
import { type ModernBackend, ModernFront } from "../wire/modern_server.ts";
import { SseFront } from "../wire/sse_server.ts";

/** Bounds and manners of an endpoint. */
export interface EndpointOptions
  extends Omit<SessionLimits, "full" | "remedy"> {
  /** Whether people can set these bounds, with the flags of `serve`. */
  flagged: boolean;
  /** Longest body, in bytes. */
  maxBody: number;
  /** Legacy Streamable HTTP without sessions. */
  stateless: boolean;
}

const DISMISSED = "Its token is no longer accepted";

/** All ways into one server: Streamable HTTP of both eras on one URL, and HTTP+SSE beside it. */
export class Endpoint {
  #streamable: StreamableFront;
  #modern: ModernFront;
  #sse: SseFront;
  #maxBody: number;
  #bodyRemedy: string;

  /** Takes what is behind it, and where below its path SSE clients are to send messages: `/messages/?session_id=`. */
  constructor(
    backend: Backend & ModernBackend,
    messages: string,
    options: EndpointOptions,
  ) {
    const { maxSessions, idleMs, stateless } = options;
    const full = () => this.sessions >= maxSessions;
    const remedy = options.flagged ? ", or raise --max-sessions" : "";
    const limits = { maxSessions, idleMs, full, remedy };
    this.#bodyRemedy = options.flagged
      ? "; the server's --max-body sets the limit"
      : "";
    this.#streamable = new StreamableFront(backend, limits, stateless);
    this.#modern = new ModernFront(backend);
    this.#sse = new SseFront(backend, limits, messages);
    this.#maxBody = options.maxBody;
  }

  /** How many sessions it has. */
  get sessions(): number {
    return this.#streamable.sessions.size + this.#sse.sessions.size;
  }

  /** Answers what comes to the Streamable HTTP path. */
  mcp(incoming: Incoming): Promise<Response> | Response {
    const { request } = incoming;
    if (request.method === "POST") return this.#post(incoming);
    const version = request.headers.get("mcp-protocol-version");
    const legacy = version === null || !isModern(version);
    if (request.method === "GET" && legacy) {
      return this.#streamable.get(incoming);
    }
    if (request.method === "DELETE" && legacy) {
      return this.#streamable.delete(incoming);
    }
    return refusal(
      405,
      -32600,
      `Method Not Allowed: ${request.method}`,
      undefined,
      {
        headers: { allow: legacy ? "GET, POST, DELETE" : "POST" },
      },
    );
  }

  /** Answers what comes to the SSE path. */
  sse(incoming: Incoming): Promise<Response> | Response {
    if (incoming.request.method === "GET") return this.#sse.get(incoming);
    return new Response("Method Not Allowed", {
      status: 405,
      headers: { allow: "GET" },
    });
  }

  /** Answers what comes to the path of SSE messages. */
  async messages(
    incoming: Incoming,
    sessionId: string | null,
  ): Promise<Response> {
    if (incoming.request.method !== "POST") {
      return new Response("Method Not Allowed", {
        status: 405,
        headers: { allow: "POST" },
      });
    }
    const session = this.#sse.find(incoming, sessionId);
    if (session instanceof Response) return session;
    try {
      return this.#sse.post(
        session,
        oneLine(
          await readBody(incoming.request, this.#maxBody, this.#bodyRemedy),
        ),
      );
    } catch (cause) {
      return unreadable(cause);
    }
  }

  /** Ends the sessions of those who may not use it any more. */
  dismiss(mayStay: (principal: string) => boolean): void {
    for (const { sessions } of [this.#streamable, this.#sse]) {
      for (const session of [...sessions.values()]) {
        if (!mayStay(session.principal)) {
          session.close(DISMISSED);
        }
      }
    }
    this.#modern.dismiss(mayStay, DISMISSED);
  }

  /** Ends all sessions. */
  close(reason: string): void {
    this.#streamable.close(reason);
    this.#sse.close();
  }

  async #post(incoming: Incoming): Promise<Response> {
    try {
      const body = oneLine(
        await readBody(incoming.request, this.#maxBody, this.#bodyRemedy),
      );
      const version = incoming.request.headers.get("mcp-protocol-version");
      const modern = version !== null && isModern(version);
      if (isBatch(body) && !modern) {
        return await this.#streamable.post(incoming, body, undefined);
      }
      const frame = readFrame(body);
      if (!frame.versioned) {
        return refusal(
          400,
          -32600,
          'Invalid request: jsonrpc must be "2.0"',
          frame.id || undefined,
        );
      }
      if (modern || frame.versionAt >= 0) {
        return await this.#modern.post(incoming, frame);
      }
      return await this.#streamable.post(incoming, body, frame);
    } catch (cause) {
      return unreadable(cause);
    }
  }
}
