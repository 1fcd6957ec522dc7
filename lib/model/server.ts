/**
 * The MCP server around a model: one tool, in both eras of the protocol.
 *
 * @module
 */
import { log } from "../log.ts";
import { CODE, META } from "../mcp/eras.ts";
import type { Frame } from "../mcp/frame.ts";
import { raw } from "../mcp/splice.ts";
import { errorResponse, notification, resultResponse } from "../mcp/message.ts";
import type { CallToolResult, ListToolsResult } from "../mcp/sdk.ts";
import type { Exchange, Receiver } from "../wire/leg.ts";
import type { Answer } from "./answer.ts";
import { checkEra, complete, discover, initialize, RpcError } from "./era.ts";
import { isRecord } from "./json.ts";
import { Progress } from "./progress.ts";
import { ArgumentsError, type Question, readQuestion } from "./question.ts";
import { answered, askModel, failed, TOOL_NAME } from "./tool.ts";

/** How many calls may run at once. */
const MAX_CALLS = 256;

/** Something that answers questions; `Messages` does. */
export interface Model {
  /** Answers; `ontokens`, where it is given, hears about how many tokens have come. Rejects when `signal` is aborted. */
  ask(
    question: Question,
    signal: AbortSignal,
    ontokens?: (tokens: number) => void,
  ): Promise<Answer>;
}

/** A call that runs. */
interface Call {
  /** The id of its request, as JSON text. */
  readonly id: string;
  /** Ends it. */
  readonly stop: AbortController;
  /** The way back to its caller. */
  readonly exchange: Exchange;
}

/** The server of one client. */
export class ModelServer implements Receiver {
  /** The protocol version that `initialize` was answered with, or `""`. */
  version = "";
  readonly #model: Model;
  readonly #tools: ListToolsResult;
  readonly #calls: Map<number, Call> = new Map();
  #handles = 0;

  /** Takes what answers, and the name of the model that does so where a call names none. */
  constructor(model: Model, defaultModel: string) {
    this.#model = model;
    this.#tools = { tools: [askModel(defaultModel)] };
  }

  /** A request: everything but a call is answered at once. */
  request(frame: Frame, exchange: Exchange): number {
    const handle = ++this.#handles;
    try {
      const result = this.#answer(frame, exchange, handle);
      if (result) exchange.respond(resultResponse(frame.id, result), 0);
    } catch (cause) {
      if (!(cause instanceof RpcError)) {
        log.error("A request failed", { cause });
      }
      const { code, message, data } = cause instanceof RpcError
        ? cause
        : new RpcError(CODE.internal, `Internal error: ${cause}`);
      exchange.respond(errorResponse(frame.id, code, message, data), code);
    }
    return handle;
  }

  /** A cancellation ends its call at once and without an answer; nothing else matters here. */
  notification(frame: Frame): void {
    if (frame.method !== "notifications/cancelled") return;
    const id = raw(frame.bytes, frame.requestIdAt, frame.requestIdEnd);
    for (const [handle, call] of this.#calls) {
      if (call.id === id) this.abandon(handle);
    }
  }

  /** This server asks its client nothing. */
  response(_frame: Frame): void {}

  /** Ends a call whose caller has gone. */
  abandon(handle: number): void {
    const call = this.#calls.get(handle);
    if (!call) return;
    this.#calls.delete(handle);
    call.stop.abort();
    const text = "Request cancelled";
    call.exchange.cancelled(errorResponse(call.id, CODE.internal, text));
  }

  /** Ends all calls. */
  leave(): void {
    for (const { stop } of this.#calls.values()) stop.abort();
    this.#calls.clear();
  }

  /** The result of a request, or nothing where it comes later. Throws an `RpcError`. */
  #answer(
    frame: Frame,
    exchange: Exchange,
    handle: number,
  ): Record<string, unknown> | undefined {
    const modern = checkEra(frame);
    const value = frame.value(frame.paramsAt, frame.paramsEnd);
    const params = isRecord(value) ? value : {};
    switch (frame.method) {
      case "tools/list":
        if (params["cursor"] !== undefined) {
          throw new RpcError(
            CODE.invalidParams,
            "Invalid params: cursor is none of ours",
          );
        }
        return modern ? complete(this.#tools, true) : this.#tools;
      case "tools/call":
        return this.#call(frame, params, modern, exchange, handle);
      case "server/discover":
        return complete(discover(), true);
      case "subscriptions/listen":
        if (!modern) break;
        // Nothing ever changes here, so nothing of what is asked for can be promised.
        exchange.push(notification("notifications/subscriptions/acknowledged", {
          notifications: {},
          _meta: {
            [META.subscriptionId]: frame.value(frame.idAt, frame.idEnd),
          },
        }));
        return undefined;
      case "initialize": {
        if (modern) break;
        const result = initialize(params);
        this.version = result.protocolVersion;
        return result;
      }
      case "ping":
        if (modern) break;
        return {};
    }
    throw new RpcError(
      CODE.methodNotFound,
      `Method not found: ${frame.method}`,
    );
  }

  #call(
    frame: Frame,
    params: Record<string, unknown>,
    modern: boolean,
    exchange: Exchange,
    handle: number,
  ): Record<string, unknown> | undefined {
    if (params["name"] !== TOOL_NAME) {
      const name = JSON.stringify(params["name"]) ?? "nothing";
      throw new RpcError(
        CODE.invalidParams,
        `Unknown tool: ${name}; there is only ${TOOL_NAME}`,
      );
    }
    for (const { id } of this.#calls.values()) {
      if (id === frame.id) {
        throw new RpcError(
          CODE.invalidRequest,
          `Invalid request: id ${id} is in use`,
        );
      }
    }
    const finish = (result: CallToolResult) =>
      modern ? complete(result, false) : result;
    if (this.#calls.size >= MAX_CALLS) {
      return finish(
        failed(
          `${MAX_CALLS} calls run already; wait until one of them has ended`,
        ),
      );
    }
    let question: Question;
    try {
      question = readQuestion(params["arguments"]);
    } catch (cause) {
      if (!(cause instanceof ArgumentsError)) throw cause;
      return finish(
        failed(`Invalid arguments for ${TOOL_NAME}: ${cause.message}`),
      );
    }
    const call = { id: frame.id, stop: new AbortController(), exchange };
    this.#calls.set(handle, call);
    this.#run(call, handle, question, progressToken(frame)).then((result) => {
      // A call that has been cancelled has no answer.
      if (!this.#calls.delete(handle)) return;
      exchange.respond(resultResponse(frame.id, finish(result)), 0);
    });
    return undefined;
  }

  /** Never rejects. */
  async #run(
    call: Call,
    handle: number,
    question: Question,
    token: string | number | undefined,
  ): Promise<CallToolResult> {
    const progress = token === undefined
      ? undefined
      : new Progress((progress, message) => {
        if (!this.#calls.has(handle)) return;
        call.exchange.push(
          notification("notifications/progress", {
            progressToken: token,
            progress,
            message,
          }),
        );
      });
    try {
      const { signal } = call.stop;
      return answered(
        await (progress
          ? this.#model.ask(question, signal, (count) => progress.tokens(count))
          : this.#model.ask(question, signal)),
      );
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      if (this.#calls.has(handle)) log.warn(`${TOOL_NAME}: ${text}`);
      return failed(text);
    } finally {
      progress?.end();
    }
  }
}

function progressToken(frame: Frame): string | number | undefined {
  const token = frame.value(frame.tokenAt, frame.tokenEnd);
  return typeof token === "string" || typeof token === "number"
    ? token
    : undefined;
}
