/**
 * The headers of requests of the modern era, which mirror what their bodies say (MCP 2026-07-28, transports: standard
 * headers, custom headers from tool parameters).
 *
 * @module
 */
import { log } from "../log.ts";
import { META } from "../mcp/eras.ts";
import { type Frame, readFrame } from "../mcp/frame.ts";
import { encode } from "../mcp/message.ts";
import { encodeHeader, mirroredName } from "../mcp/mirror.ts";
import { EventReader } from "./event_source.ts";
import type { Reply } from "./http1.ts";
import {
  discard,
  MAX_ANSWER,
  mediaType,
  readBody,
  type Target,
  TargetError,
} from "./target.ts";
import { ToolHeaders } from "./tool_headers.ts";

/** Pages of tools that are read ahead of a call. */
const MAX_PAGES = 20;

/** Headers of every POST. */
export const POST: Record<string, string> = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};

/** Makes the headers of modern requests to one server. */
export class ModernHeaders {
  /** The version that the last request named, or `""` before the first. */
  version = "";
  /** The tools that have been seen. */
  readonly tools: ToolHeaders = new ToolHeaders();
  readonly #target: Target;
  #nextOwn = 1;

  /** Takes the server, which may have to be asked for its tools. */
  constructor(target: Target) {
    this.#target = target;
  }

  /** The headers of a request. */
  async of(
    frame: Frame,
    signal: AbortSignal,
  ): Promise<Record<string, string>> {
    this.version = frame.string(frame.versionAt, frame.versionEnd);
    const headers = this.plain(frame.method);
    const name = mirroredName(frame);
    if (name !== undefined) headers["mcp-name"] = encodeHeader(name);
    if (frame.method === "tools/call") {
      if (!this.tools.knows(name ?? "")) {
        await this.#ask(frame, name ?? "", signal);
      }
      for (const [header, value] of this.tools.of(frame)) {
        headers[header.toLowerCase()] = value;
      }
    }
    return headers;
  }

  /** The headers of a message that mirrors no more than its method; `""` for a response. */
  plain(method: string): Record<string, string> {
    const headers = { ...POST, "mcp-protocol-version": this.version };
    return method === ""
      ? headers
      : { ...headers, "mcp-method": encodeHeader(method) };
  }

  /** Asks for the server's tools in the name of a call whose tool nobody has asked for yet. */
  async #ask(call: Frame, name: string, signal: AbortSignal): Promise<void> {
    const { progressToken: _, ...meta } = call.value(
      call.metaAt,
      call.metaEnd,
    ) as Record<string, unknown>;
    const headers = {
      ...POST,
      "mcp-protocol-version": `${meta[META.protocolVersion]}`,
      "mcp-method": "tools/list",
    };
    let cursor: unknown;
    for (let page = 0; page < MAX_PAGES; page++) {
      const id = `mcp-proxy-tools-${this.#nextOwn++}`;
      const params = cursor === undefined
        ? { _meta: meta }
        : { cursor, _meta: meta };
      const body = encode(
        JSON.stringify({ jsonrpc: "2.0", id, method: "tools/list", params }),
      );
      try {
        const response = await this.#target.request(
          "POST",
          headers,
          body,
          signal,
        );
        const answer = response.status === 200
          ? await this.#first(response, JSON.stringify(id))
          : await discard(response);
        if (answer?.kind !== "result") break;
        cursor = this.tools.learn(answer).nextCursor;
      } catch (cause) {
        if (
          signal.aborted ||
          (cause instanceof TargetError && cause.failure === "unsent")
        ) return;
        log.debug(
          `${this.#target.shown}: its tools could not be read ahead of a call`,
          { cause },
        );
        break;
      }
      if (this.tools.knows(name) || cursor === undefined) break;
    }
    if (!this.tools.knows(name)) this.tools.noteAbsent(name);
  }

  /** The response with this id in an answer. */
  async #first(response: Reply, id: string): Promise<Frame | undefined> {
    if (mediaType(response) === "application/json") {
      return readFrame(await readBody(response, MAX_ANSWER));
    }
    if (mediaType(response) !== "text/event-stream") return undefined;
    let found: Frame | undefined;
    const events = new EventReader(MAX_ANSWER, (data) => {
      const frame = readFrame(data);
      if (frame.methodAt < 0 && frame.id === id) found = frame;
    });
    for await (const chunk of response.body ?? []) {
      events.push(chunk);
      if (found) break;
    }
    return found;
  }
}
