/**
 * What can go wrong with a request to a Messages API, as a sentence for people.
 *
 * @module
 */
import { maskUrl } from "../log.ts";
import type { StreamedAnswer } from "./answer.ts";
import type { Received } from "./endpoint.ts";
import { ConnectError, type Reply } from "../wire/http1.ts";
import { connectFault, mediaType, readBody } from "../wire/target.ts";

/** Facts about a failure. */
export interface Facts {
  /** What to do about it. */
  readonly remedy?: string | undefined;
  /** The HTTP status; `undefined` where there was no HTTP answer. */
  readonly status?: number | undefined;
  /** `error.type` of the API. */
  readonly type?: string | undefined;
  /** Whether the same request may succeed later. */
  readonly passing?: boolean | undefined;
  /** How long the API asks to wait before that, in ms. */
  readonly waitMs?: number | undefined;
}

/** A request that brought no answer. The message is for people and never holds the key. */
export class ModelError extends Error {
  /** What is known about it. */
  readonly facts: Facts;

  /** Says what failed; {@linkcode Facts.remedy} is added by {@linkcode told}. */
  constructor(message: string, facts: Facts = {}) {
    super(message);
    this.name = "ModelError";
    this.facts = facts;
  }

  /** The whole sentence, after so many attempts. */
  told(attempts: number, more?: string): string {
    const often = attempts > 1 ? ` (${attempts} attempts)` : "";
    const { remedy } = this.facts;
    return [this.message + often, more, remedy].filter(Boolean).join("; ");
  }
}

/** What is read of an error's body, and how much of it is shown where it is no error of the API's. */
const MAX_ERROR_BODY = 256 * 1024, MAX_EXCERPT = 300;

/** Statuses after which the same request may succeed: timeouts, rate limits, faults of the server. */
const isPassing = (status: number) =>
  status === 408 || status === 429 || status >= 500;

const PASSING_TYPE = /^(?:api|overloaded|rate_limit|timeout)_error$/;

/** Makes an error of a response whose status is none of success; reads its body. */
export async function refusal(
  { response, url }: Received,
): Promise<ModelError> {
  const { status, headers } = response;
  let text = "";
  try {
    text = new TextDecoder().decode(await readBody(response, MAX_ERROR_BODY));
  } catch {
    // The status has to do.
  }
  const body = parsed(text);
  const { type, message } = apiError(body);
  const wait = retryAfter(response);
  const advice = headers.get("x-should-retry");
  const what = message === undefined
    ? ` with ${contentType(response)}${excerpt(text)}`
    : `${type === undefined ? "" : ` ${type}`}: ${cut(message)}`;
  return new ModelError(
    `${maskUrl(url)} answered ${status}${what}${requestId(headers, body)}`,
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
  { response, url }: Received,
  error: unknown,
  began: boolean,
): ModelError {
  const { type, message = JSON.stringify(error) } = apiError({ error });
  const id = requestId(response.headers, undefined);
  return new ModelError(
    `${maskUrl(url)} answered ${response.status} ${
      began ? "and then sent" : "with"
    } ${type ?? "an error"}: ${cut(message)}${id}`,
    {
      status: response.status,
      type,
      passing: !began && PASSING_TYPE.test(type ?? ""),
      remedy: "try again later",
    },
  );
}

/** Makes an error of an answer that is not of this API. */
export function notUnderstood(
  { response, url }: Received,
  text: string,
): ModelError {
  const what = parsed(text) === undefined
    ? `${contentType(response)}, not JSON${excerpt(text)}`
    : `JSON that is no message${excerpt(text)}`;
  return new ModelError(
    `${maskUrl(url)} answered ${response.status} with ${what}`,
    {
      status: response.status,
      remedy: "check that CLAUDE_MCP_BASE_URL is the address of a Messages API",
    },
  );
}

/** Makes an error of a stream that ended too early, or of what reading it has thrown. */
export function brokenOff(
  { response, url }: Received,
  streamed: StreamedAnswer,
  cause: unknown,
): ModelError {
  const { status } = response;
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
    } broke off after about ${streamed.tokens} tokens: ${why}`,
    { status, passing: !streamed.began, remedy: "ask again" },
  );
}

/** Makes an error of what `fetch`, or reading a body, has thrown. */
export function networkFault(cause: unknown, url: string): ModelError {
  const why = reason(cause);
  if (!(cause instanceof ConnectError)) {
    return new ModelError(`The connection to ${maskUrl(url)} broke: ${why}`, {
      passing: true,
      remedy: "ask again",
    });
  }
  const fault = connectFault(why);
  return new ModelError(`Cannot reach ${maskUrl(url)}: ${fault}`, {
    passing: !/certificate/i.test(fault),
  });
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
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

function requestId(headers: Reply["headers"], body: unknown): string {
  const id = headers.get("request-id") ?? headers.get("x-request-id") ??
    (isRecord(body) ? body["request_id"] : undefined);
  return typeof id === "string" ? ` (request-id ${cut(id)})` : "";
}

function contentType(response: Reply): string {
  return mediaType(response) || "no content type";
}

/** What a page says, without its tags. */
function excerpt(text: string): string {
  const plain = cut(
    text.slice(0, 16 * MAX_EXCERPT)
      .replace(/<(script|style)\b.*?(?:<\/\1>|$)/gis, " ")
      .replace(/<[^>]*>/g, " "),
  );
  return plain === "" ? "" : `: "${plain}"`;
}

function cut(text: string): string {
  const plain = text.replace(/\s+/g, " ").trim();
  return plain.length > MAX_EXCERPT ? `${plain.slice(0, MAX_EXCERPT)}…` : plain;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a value is an object with members. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
