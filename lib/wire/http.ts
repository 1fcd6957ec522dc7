/**
 * What the HTTP fronts share: reading a body within its bound, content negotiation, and error answers.
 *
 * @module
 */
import { joined } from "../mcp/splice.ts";
import { type Bytes, FrameError } from "../mcp/frame.ts";
import { errorResponse } from "../mcp/message.ts";

/** A request that has passed the guard. */
export interface Incoming {
  /** The request itself. */
  request: Request;
  /** Who sent it: the same value for the same credential, `""` where none is asked for. */
  principal: string;
  /** The path that the server is under, as the client wrote it. */
  base: string;
}

/**
 * Calls `gone` when the client hangs up before it has been answered, at once where it has done so already; perhaps also
 * when it has been answered. This costs more than a short call, so it is for those that take long.
 */
export function onHangUp(request: Request, gone: () => void): void {
  const { signal } = request;
  if (signal.aborted) gone();
  else signal.addEventListener("abort", gone);
}

/** Why a body was not read, as the HTTP response that says so. */
export class BodyError extends Error {
  /** The HTTP status. */
  readonly status: number;

  /** Takes the status and the reason. */
  constructor(status: number, message: string) {
    super(message);
    this.name = "BodyError";
    this.status = status;
  }
}

/** Reads a JSON body of at most `limit` bytes. Throws a {@linkcode BodyError}: 413 when it is longer, 415 when it is no JSON; `remedy` is told with the former. */
export async function readBody(
  request: Request,
  limit: number,
  remedy = "",
): Promise<Bytes> {
  const type = request.headers.get("content-type");
  if (type === null || !/^application\/json\s*(;|$)/i.test(type)) {
    throw new BodyError(
      415,
      `Content-Type must be application/json, not ${type ?? "absent"}`,
    );
  }
  const length = request.headers.get("content-length");
  if (length !== null) {
    if (Number(length) > limit) throw tooLarge(limit, remedy);
    return await request.bytes();
  }
  const parts: Bytes[] = [];
  let size = 0;
  for await (const part of request.body ?? []) {
    size += part.length;
    if (size > limit) throw tooLarge(limit, remedy);
    parts.push(part);
  }
  return joined(parts, size);
}

function tooLarge(limit: number, remedy: string): BodyError {
  return new BodyError(
    413,
    `The body is larger than ${limit} bytes${remedy}`,
  );
}

/** What a client's `Accept` allows. Liberal: only a header that excludes both kinds is refused. */
export function accepts(request: Request): { json: boolean; stream: boolean } {
  const accept = request.headers.get("accept");
  if (accept === null) return { json: true, stream: true };
  const any = accept.includes("*/*");
  return {
    json: any || accept.includes("application/json") ||
      accept.includes("application/*"),
    stream: any || accept.includes("text/event-stream") ||
      accept.includes("text/*"),
  };
}

/** An error as HTTP and JSON-RPC tell it at once. `id` is JSON text, one char a byte. */
export function refusal(
  status: number,
  code: number,
  message: string,
  id?: string,
  options: { data?: unknown; headers?: Record<string, string> } = {},
): Response {
  return new Response(errorResponse(id, code, message, options.data), {
    status,
    headers: { "content-type": "application/json", ...options.headers },
  });
}

/** The answer to what could not be read. Throws what is neither a {@linkcode BodyError} nor a {@linkcode FrameError}. */
export function unreadable(cause: unknown): Response {
  if (cause instanceof FrameError) {
    return refusal(400, cause.code, cause.message, cause.id);
  }
  if (cause instanceof BodyError) {
    return refusal(cause.status, -32600, cause.message);
  }
  if (cause instanceof SyntaxError) {
    return refusal(400, -32700, `Parse error: ${cause.message}`);
  }
  throw cause;
}
