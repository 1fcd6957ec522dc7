/**
 * Responses that are no answer, as sentences for people: with status, type, message and request id of the API where it
 * speaks, with an excerpt where something else does.
 *
 * @module
 */
import { maskUrl } from "../log.ts";
import type { Reply } from "../wire/http1.ts";
import { mediaType, readBody } from "../wire/target.ts";
import type { StreamedAnswer } from "./answer.ts";
import type { Received } from "./endpoint.ts";
import { ModelError, reason } from "./failure.ts";
import { isRecord, parseJson } from "./json.ts";

/** What is read of an error's body, in bytes, and how much of it is shown, in characters. */
const MAX_BODY = 256 * 1024, MAX_SHOWN = 300;

/** Whether the same request may succeed after this status: timeouts, rate limits, faults of the server. */
function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** The types that the same errors have in an answer of status 200. */
const PASSING_TYPE = /^(?:api|overloaded|rate_limit|timeout)_error$/;

/** Makes an error of a response whose status is none of success; reads its body. */
export async function refusal(received: Received): Promise<ModelError> {
  const { response, url } = received, { status, headers } = response;
  let text = "";
  try {
    text = new TextDecoder().decode(await readBody(response, MAX_BODY));
  } catch {
    // The status has to do.
  }
  const body = parseJson(text), { type, message } = apiError(body);
  const wait = retryAfter(response);
  const advice = headers.get("x-should-retry");
  const what = message === undefined
    ? ` with ${contentType(response)}${excerpt(received, text)}`
    : `${type === undefined ? "" : ` ${type}`}: ${shown(received, message)}`;
  return new ModelError(
    `${maskUrl(url)} answered ${status}${what}${requestId(received, body)}`,
    {
      status,
      type,
      remedy: remedy(status, wait),
      passing: advice === "true" ||
        (isPassing(status) && advice !== "false"),
      waitMs: wait,
    },
  );
}

/** Makes an error of an `error` in an answer of success; `began` says whether a piece of the answer came before it. */
export function lateRefusal(
  received: Received,
  error: unknown,
  began: boolean,
): ModelError {
  const { url, response: { status } } = received;
  const { type, message = JSON.stringify(error) } = apiError({ error });
  const how = began ? "and then sent" : "with";
  const id = requestId(received, undefined);
  return new ModelError(
    `${maskUrl(url)} answered ${status} ${how} ${type ?? "an error"}: ${
      shown(received, message)
    }${id}`,
    {
      status,
      type,
      passing: !began && PASSING_TYPE.test(type ?? ""),
      remedy: "try again later",
    },
  );
}

/** Makes an error of an answer that is not of this API. */
export function notUnderstood(received: Received, text: string): ModelError {
  const { response, url } = received, { status } = response;
  const what = parseJson(text) === undefined
    ? `${contentType(response)}, not JSON`
    : "JSON that is no message";
  return new ModelError(
    `${maskUrl(url)} answered ${status} with ${what}${excerpt(received, text)}`,
    {
      status,
      remedy: "check that CLAUDE_MCP_BASE_URL is the address of a Messages API",
    },
  );
}

/** Makes an error of a stream that ended too early, or of what reading it has thrown. */
export function brokenOff(
  { response: { status }, url }: Received,
  { tokens, began }: StreamedAnswer,
  cause: unknown,
): ModelError {
  if (cause instanceof SyntaxError) {
    return new ModelError(
      `${maskUrl(url)} answered ${status} with an event that is not JSON`,
      { status },
    );
  }
  const why = cause === undefined ? "it ended too early" : reason(cause);
  return new ModelError(
    `The answer of ${
      maskUrl(url)
    } broke off after about ${tokens} tokens: ${why}`,
    { status, passing: !began, remedy: "ask again" },
  );
}

/** The `error` of a body, in the shapes that the API and the gateways in front of it use. */
function apiError(body: unknown): { type?: string; message?: string } {
  if (!isRecord(body)) return {};
  const error = body["error"] ?? body;
  if (typeof error === "string") return { message: error };
  if (!isRecord(error)) return {};
  const { type, message, detail } = error;
  const text = message ?? detail;
  return {
    ...typeof type === "string" ? { type } : {},
    ...typeof text === "string" ? { message: text } : {},
  };
}

function remedy(status: number, wait: number | undefined): string | undefined {
  switch (status) {
    case 401:
      return "check CLAUDE_MCP_API_KEY, and CLAUDE_MCP_AUTH for how it is sent";
    case 403:
      return "check what CLAUDE_MCP_API_KEY is allowed to do";
    case 404:
      return "check the model (CLAUDE_MCP_MODEL) and CLAUDE_MCP_BASE_URL";
    case 413:
      return "send less text";
  }
  if (!isPassing(status)) return undefined;
  return wait === undefined
    ? "try again later"
    : `try again in ${Math.ceil(wait / 1000)} s`;
}

/** How long the API asks to wait: in ms of its own header, else in seconds or until a date (RFC 9110, 10.2.3). */
function retryAfter({ headers }: Reply): number | undefined {
  const exact = headers.get("retry-after-ms"),
    wait = headers.get("retry-after");
  const ms = exact !== null
    ? Number(exact)
    : wait === null
    ? NaN
    : /^\s*\d+(?:\.\d+)?\s*$/.test(wait)
    ? Number(wait) * 1000
    : Date.parse(wait) - Date.now();
  return ms > 0 ? ms : undefined;
}

function requestId(received: Received, body: unknown): string {
  const { headers } = received.response;
  const id = headers.get("request-id") ?? headers.get("x-request-id") ??
    (isRecord(body) ? body["request_id"] : undefined);
  return typeof id === "string" ? ` (request-id ${shown(received, id)})` : "";
}

function contentType(response: Reply): string {
  return mediaType(response) || "no content type";
}

/** What a page says, without its tags. */
function excerpt(received: Received, text: string): string {
  const plain = shown(
    received,
    received.redact(text).slice(0, 64 * MAX_SHOWN)
      .replace(/<(script|style)\b.*?(?:<\/\1>|$)/gis, " ")
      .replace(/<[^>]*>/g, " "),
  );
  return plain === "" ? "" : `: "${plain}"`;
}

/** A text on one line and not too long. The key goes first: half of it would not be found afterwards. */
function shown({ redact }: Received, text: string): string {
  const plain = redact(text).replace(/\s+/g, " ").trim();
  return plain.length > MAX_SHOWN ? `${plain.slice(0, MAX_SHOWN)}…` : plain;
}
