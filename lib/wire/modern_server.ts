/**
 * Streamable HTTP towards modern clients (MCP 2026-07-28, transports): no sessions; each request stands for itself,
 * carries its envelope, and is checked against the headers that mirror it.
 *
 * @module
 */
import { CODE, LEGACY_VERSIONS, META } from "../mcp/eras.ts";
import type { Frame } from "../mcp/frame.ts";
import { errorResponse } from "../mcp/message.ts";
import {
  decodeHeader,
  mirroredName,
  type MirroredParameter,
  mirroredParameters,
  mirroredValue,
  mirrors,
} from "../mcp/mirror.ts";
import { Answer } from "./answer.ts";
import { encodeEvent, EventStream } from "./event_stream.ts";
import { accepts, type Incoming, onHangUp, refusal } from "./http.ts";
import { unavailable } from "./http_server.ts";
import type { Receiver } from "./leg.ts";

/** A modern server behind a front. */
export interface ModernServer {
  /** Where requests go. */
  receiver: Receiver;
  /** The versions that it speaks, from `server/discover`. */
  versions: string[];
  /** Its tools, asked for page by page until one has the name; `undefined` where none has. */
  tool(name: string): Promise<{ inputSchema?: unknown } | undefined>;
}

/** What is behind a modern front. */
export interface ModernBackend {
  /** The modern server; `undefined` where there is one that speaks only legacy versions. Rejects where it cannot be reached. */
  modern(principal: string): Promise<ModernServer | undefined>;
}

const STATUS: Record<number, number | undefined> = {
  [CODE.headerMismatch]: 400,
  [CODE.missingCapability]: 400,
  [CODE.unsupportedVersion]: 400,
  [CODE.methodNotFound]: 404,
};

/** HTTP status of an error response (2026-07-28, transports: status codes). */
function statusOf(code: number): number {
  return STATUS[code] ?? 200;
}

/** A request that stays open for as long as its client listens. */
interface Listener {
  principal: string;
  end(reason: string): void;
}

/** One endpoint. */
export class ModernFront {
  #backend: ModernBackend;
  #parameters: Map<string, MirroredParameter[]> = new Map();
  #server: ModernServer | undefined;
  #listeners: Set<Listener> = new Set();

  /** Takes what is behind it. */
  constructor(backend: ModernBackend) {
    this.#backend = backend;
  }

  /** Answers a POST. */
  async post(incoming: Incoming, frame: Frame): Promise<Response> {
    const id = frame.id || undefined;
    if (frame.kind === "result" || frame.kind === "error") {
      return refusal(
        400,
        CODE.invalidRequest,
        "Invalid request: a client of this protocol version sends no responses",
        id,
      );
    }
    const wrong = frame.kind === "request"
      ? checkEnvelope(frame) ?? checkHeaders(incoming.request.headers, frame)
      : undefined;
    if (wrong) return wrong;
    let server: ModernServer | undefined;
    try {
      server = await this.#backend.modern(incoming.principal);
    } catch (cause) {
      return unavailable(cause, id);
    }
    if (!server) {
      const text =
        `This server speaks only protocol versions with initialize (${
          LEGACY_VERSIONS.join(", ")
        })`;
      return refusal(400, CODE.invalidRequest, text, id);
    }
    if (frame.kind === "notification") {
      server.receiver.notification(frame);
      return new Response(null, { status: 202 });
    }
    const requested = frame.string(frame.versionAt, frame.versionEnd);
    if (!server.versions.includes(requested)) {
      const text = `Unsupported protocol version "${requested}"`;
      return refusal(400, CODE.unsupportedVersion, text, id, {
        data: { supported: server.versions, requested },
      });
    }
    const mismatch = await this.#checkParameters(
      server,
      incoming.request.headers,
      frame,
    );
    if (mismatch) return mismatch;
    return await this.#forward(server.receiver, incoming, frame);
  }

  /** Ends the streams of those who may not listen any more. */
  dismiss(mayStay: (principal: string) => boolean, reason: string): void {
    for (const listener of [...this.#listeners]) {
      if (!mayStay(listener.principal)) listener.end(reason);
    }
  }

  #forward(
    receiver: Receiver,
    incoming: Incoming,
    frame: Frame,
  ): Promise<Response> {
    const accept = accepts(incoming.request);
    if (!accept.json && !accept.stream) {
      const text =
        "Not Acceptable: Accept must include application/json or text/event-stream";
      return Promise.resolve(refusal(406, CODE.invalidRequest, text, frame.id));
    }
    let handle = 0;
    const listener: Listener = {
      principal: incoming.principal,
      end(reason) {
        const { internal } = CODE;
        answer.respond(errorResponse(frame.id, internal, reason), internal);
        receiver.abandon(handle);
      },
    };
    const gone = () => {
      this.#listeners.delete(listener);
      if (!answer.done) receiver.abandon(handle);
    };
    const answer = new Answer({
      open: accept.stream ? open : undefined,
      streamOnly: !accept.json,
      headers: {},
      statusOf,
      divert: () => {},
      asked: incoming.request.headers,
      ondone: () => this.#listeners.delete(listener),
      // Closing the connection is how a client cancels.
      onwait: () => onHangUp(incoming.request, gone),
    });
    function open() {
      const stream = new EventStream();
      stream.ongone = gone;
      return {
        body: stream.body,
        send: (bytes: Frame["bytes"]) => void stream.write(encodeEvent(bytes)),
        close: () => stream.close(),
      };
    }
    handle = receiver.request(frame, answer);
    if (frame.method === "subscriptions/listen" && !answer.done) {
      this.#listeners.add(listener);
    }
    return answer.response;
  }

  async #checkParameters(
    server: ModernServer,
    headers: Headers,
    frame: Frame,
  ): Promise<Response | undefined> {
    if (frame.method !== "tools/call") return undefined;
    if (this.#server !== server) {
      this.#server = server;
      this.#parameters.clear();
    }
    const name = frame.string(frame.nameAt, frame.nameEnd);
    let parameters = this.#parameters.get(name);
    if (!parameters) {
      const tool = await server.tool(name).catch(() => undefined);
      const found = tool ? mirroredParameters(tool.inputSchema) : [];
      // A tool whose annotations are invalid is no business of ours: clients leave it out.
      parameters = typeof found === "string" ? [] : found;
      if (tool) this.#parameters.set(name, parameters);
    }
    if (parameters.length === 0) return undefined;
    const params = frame.value(frame.paramsAt, frame.paramsEnd) as {
      arguments?: unknown;
    };
    for (const parameter of parameters) {
      const value = mirroredValue(parameter, params.arguments);
      if (value === undefined) continue;
      const header = headers.get(parameter.header);
      if (header !== null && mirrors(header, value, parameter.type)) continue;
      const said = header === null ? "is missing" : `is "${header}"`;
      return mismatched(
        frame,
        `Header mismatch: ${parameter.header} ${said} where the body has ${
          JSON.stringify(value)
        }`,
      );
    }
    return undefined;
  }
}

function mismatched(frame: Frame, text: string): Response {
  return refusal(400, CODE.headerMismatch, text, frame.id);
}

function checkEnvelope(frame: Frame): Response | undefined {
  const invalid = (text: string) =>
    refusal(400, CODE.invalidParams, `Invalid params: ${text}`, frame.id);
  const meta = frame.value(frame.metaAt, frame.metaEnd) as
    | Record<string, unknown>
    | undefined
    | null;
  if (typeof meta?.[META.protocolVersion] !== "string") {
    return invalid(`_meta["${META.protocolVersion}"] must be a string`);
  }
  const capabilities = meta[META.clientCapabilities];
  if (
    typeof capabilities !== "object" || capabilities === null ||
    Array.isArray(capabilities)
  ) {
    return invalid(`_meta["${META.clientCapabilities}"] must be an object`);
  }
  return undefined;
}

function checkHeaders(headers: Headers, frame: Frame): Response | undefined {
  const version = headers.get("mcp-protocol-version"),
    requested = frame.string(frame.versionAt, frame.versionEnd);
  if (version !== requested) {
    const said = version === null ? "is missing" : `is "${version}"`;
    return mismatched(
      frame,
      `Header mismatch: MCP-Protocol-Version ${said} where the body has "${requested}"`,
    );
  }
  const method = headers.get("mcp-method");
  if (method !== frame.method) {
    const said = method === null ? "is missing" : `is "${method}"`;
    return mismatched(
      frame,
      `Header mismatch: Mcp-Method ${said} where the body has "${frame.method}"`,
    );
  }
  const name = mirroredName(frame);
  if (name === undefined) return undefined;
  const header = headers.get("mcp-name");
  if (header !== null && decodeHeader(header) === name) return undefined;
  const said = header === null ? "is missing" : `is "${header}"`;
  return mismatched(
    frame,
    `Header mismatch: Mcp-Name ${said} where the body has "${name}"`,
  );
}
