/**
 * A remote server's URL, with all that every request to it carries, and what can go wrong on the way there.
 *
 * @module
 */
import { joined } from "../mcp/splice.ts";
import { log, maskUrl } from "../log.ts";
import { type Bytes, readFrame } from "../mcp/frame.ts";
import { ConnectError, type Reply, type Request1 } from "./http1.ts";
import { pause } from "./pause.ts";

/** Answers and events of more bytes than this are not read. */
export const MAX_ANSWER = 128 * 1024 * 1024;

/** Makes a request, and no second one by itself. Throws a {@linkcode ConnectError} where nothing was sent. */
export type Fetch = (url: string, request: Request1) => Promise<Reply>;

/** What proves who we are, where that changes as time goes by. */
export interface Credential {
  /** The value of the `Authorization` header, fresh. Throws an error for people where there is none to be had. */
  header(): string | Promise<string>;
  /** The server has refused this value; `true` where another one may do better. */
  refused(value: string): boolean;
}

/** How to reach a remote server. */
export interface TargetOptions {
  /** Its URL. */
  url: string;
  /** Headers for every request. */
  headers: Record<string, string>;
  /** Gives the `Authorization` header; stands above one in `headers`. */
  credential?: Credential;
  /** How requests are made; see `openTrust`. */
  fetch: Fetch;
  /** Names, in lower case, of headers of clients that go on to the server. */
  forward?: () => readonly string[];
  /** What people are told to do when the server wants other credentials. */
  authRemedy?: string;
}

/**
 * What a failed request did: `unsent` nothing, and it may go better later; `refused` nothing, and it will not; `broken`
 * it may have been run.
 */
export type Failure = "unsent" | "refused" | "broken";

/** A request that got no usable HTTP response. The message is for people. */
export class TargetError extends Error {
  /** What it did. */
  readonly failure: Failure;
  /** The code of the server's own JSON-RPC error, where it gave one. */
  readonly code: number | undefined;
  /** The data of that error. */
  readonly data: unknown;

  /** Says what failed, and what that means. */
  constructor(
    failure: Failure,
    message: string,
    code?: number,
    data?: unknown,
  ) {
    super(message);
    this.name = "TargetError";
    this.failure = failure;
    this.code = code;
    this.data = data;
  }
}

const MAX_REDIRECTS = 5;
/** Waits that a server may ask for with `Retry-After` and that are kept by ourselves, in ms, and how often. */
const MAX_RETRY_AFTER = 5000, MAX_RETRIES = 2;
/** What is read of an error's body. */
const MAX_ERROR_BODY = 1024 * 1024;

const REMEDY =
  "give a token with --api-access-token, API_ACCESS_TOKEN or --headers Authorization";

/** One remote server. */
export class Target {
  /** Where requests go: what was given, or where the server redirected to on its own origin. */
  url: string;
  /** Whether the server has ever answered with success. */
  reached = false;
  readonly #headers: Record<string, string> = {};
  readonly #credential: Credential | undefined;
  readonly #fetch: Fetch;
  readonly #authRemedy: string;
  readonly #forward: () => readonly string[];
  #carried: Record<string, string> = {};
  #extra: Record<string, string> | undefined;
  #authorization = "";
  #merged: Record<string, string> = {};

  /** Takes the URL and what goes with it. Throws where the URL is none. */
  constructor(options: TargetOptions) {
    const url = new URL(options.url);
    for (const [name, value] of Object.entries(options.headers)) {
      this.#headers[name.toLowerCase()] = value;
    }
    if (url.username !== "" || url.password !== "") {
      const pair = `${decodeURIComponent(url.username)}:${
        decodeURIComponent(url.password)
      }`;
      this.#headers["authorization"] ??= `Basic ${btoa(pair)}`;
      url.username = url.password = "";
    }
    url.hash = "";
    this.url = url.href;
    this.#credential = options.credential;
    this.#fetch = options.fetch;
    this.#authRemedy = options.authRemedy ?? REMEDY;
    this.#forward = options.forward ?? (() => []);
  }

  /** The URL as people may see it. */
  get shown(): string {
    return maskUrl(this.url);
  }

  /**
   * Sends a request with `extra` headers and resolves with the response, whatever its status. Redirects on the same
   * origin are followed, credentials renewed once, short waits that the server asks for are kept. Throws a
   * {@linkcode TargetError}, or what `signal` was aborted with.
   */
  async request(
    method: string,
    extra: Record<string, string>,
    body: Bytes | null,
    signal: AbortSignal,
    to: string = this.url,
  ): Promise<Reply> {
    let renewed = false;
    for (let redirects = 0, retries = 0;;) {
      let authorization = "";
      if (this.#credential) {
        const header = this.#credential.header();
        authorization = typeof header === "string"
          ? header
          : await this.#obtain(header);
      }
      const headers = this.#merge(extra, authorization);
      let response: Reply;
      try {
        response = await this.#fetch(to, {
          method,
          headers,
          body,
          signal,
        });
      } catch (cause) {
        if (signal.aborted) throw cause;
        throw this.#unreachable(cause, to);
      }
      const { status } = response;
      if (status < 300) {
        this.reached = true;
        return response;
      }
      if (
        status === 401 && !renewed && this.#credential?.refused(authorization)
      ) {
        renewed = true;
        await discard(response);
      } else if (
        status >= 301 && status <= 308 && status !== 303 &&
        response.headers.get("location") !== null
      ) {
        to = this.#redirect(response, to, ++redirects);
        await discard(response);
      } else if (
        (status === 429 || status === 503) && retries++ < MAX_RETRIES &&
        retryAfter(response) <= MAX_RETRY_AFTER
      ) {
        await discard(response);
        await pause(retryAfter(response), signal);
      } else return response;
    }
  }

  async #obtain(header: Promise<string>): Promise<string> {
    try {
      return await header;
    } catch (cause) {
      throw new TargetError(
        "refused",
        cause instanceof Error ? cause.message : String(cause),
      );
    }
  }

  /**
   * What of a client's headers goes on to the server. In a `session` it also goes with what is sent in no request's name
   * from now on.
   */
  forwarded(
    headers: Headers | undefined,
    session: boolean,
  ): Record<string, string> | undefined {
    const names = headers ? this.#forward() : [];
    if (!headers || names.length === 0) return undefined;
    const found: Record<string, string> = {};
    for (const name of names) {
      const value = headers.get(name);
      if (value !== null) found[name] = value;
    }
    if (session) {
      this.#extra = undefined;
      this.#carried = found;
    }
    return found;
  }

  #merge(
    extra: Record<string, string>,
    authorization: string,
  ): Record<string, string> {
    if (extra === this.#extra && authorization === this.#authorization) {
      return this.#merged;
    }
    const merged = { ...this.#headers, ...this.#carried, ...extra };
    if (authorization !== "") merged["authorization"] = authorization;
    this.#extra = extra;
    this.#authorization = authorization;
    return this.#merged = merged;
  }

  #redirect(response: Reply, from: string, redirects: number): string {
    const location = response.headers.get("location") ?? "";
    const to = URL.canParse(location, from)
      ? new URL(location, from)
      : undefined;
    const what = `${maskUrl(from)} redirects (${response.status}) to ${
      maskUrl(to?.href ?? location)
    }`;
    if (!to || to.origin !== new URL(from).origin) {
      throw new TargetError(
        "refused",
        `${what}, which is another server and gets no credentials; give that URL if you trust it`,
      );
    }
    if (redirects > MAX_REDIRECTS) {
      throw new TargetError(
        "refused",
        `${what}, the redirect number ${redirects}; give the URL at its end`,
      );
    }
    // Where the resource has moved for good, or only the slash at the end was wrong, the next request need not ask again.
    const lasting = response.status === 301 || response.status === 308 ||
      sameButSlash(from, to.href);
    if (from === this.url && lasting) this.url = to.href;
    return to.href;
  }

  #unreachable(cause: unknown, to: string): TargetError {
    const why = cause instanceof Error ? cause.message : String(cause);
    if (cause instanceof ConnectError) {
      return new TargetError(
        "unsent",
        `Cannot reach ${maskUrl(to)}: ${connectFault(why)}`,
      );
    }
    return new TargetError(
      "broken",
      `The connection to ${maskUrl(to)} broke: ${why}`,
    );
  }

  /** Makes an error of a response that is none of success; reads its body. */
  async refusal(
    response: Reply,
    to: string = this.url,
  ): Promise<TargetError> {
    const { status } = response, url = maskUrl(to);
    const type = mediaType(response);
    let body: Bytes = new Uint8Array();
    try {
      body = await readBody(response, MAX_ERROR_BODY);
    } catch (cause) {
      log.debug(`${url}: the body of an error could not be read`, { cause });
    }
    const said = type === "application/json" ? jsonRpcError(body) : undefined;
    if (said && status !== 401 && status !== 403) {
      return new TargetError("refused", said.message, said.code, said.data);
    }
    const reason = `${status}${
      response.statusText === "" ? "" : ` ${response.statusText}`
    }`;
    if (status === 401 || status === 403) {
      const why = said ? `: ${said.message}` : "";
      return new TargetError(
        "refused",
        `${url} refuses access (${reason}${why}); ${this.#authRemedy}`,
      );
    }
    const wait = retryAfter(response);
    if (wait < Infinity) {
      return new TargetError(
        "refused",
        `${url} answered ${reason}; try again in ${Math.ceil(wait / 1000)} s`,
      );
    }
    const what = type === "" || body.length === 0
      ? "without a body"
      : `with ${type}, not with JSON-RPC${excerpt(type, body)}`;
    return new TargetError(
      "refused",
      `${url} answered ${reason} ${what}; is this the URL of an MCP server?`,
    );
  }
}

/** The media type of a response, in lower case and without parameters; `""` where there is none. */
export function mediaType(response: Reply): string {
  const type = response.headers.get("content-type");
  if (type === null) return "";
  // What nearly all servers send needs no work.
  if (type === "application/json" || type === "text/event-stream") return type;
  return (type.split(";")[0] ?? "").trim().toLowerCase();
}

/** Reads a body of at most `limit` bytes; throws a {@linkcode TargetError} where it is longer or breaks. */
export async function readBody(
  response: Reply,
  limit: number,
): Promise<Bytes> {
  const length = response.headers.get("content-length");
  try {
    if (length !== null && Number(length) <= limit) {
      return await response.bytes();
    }
    if (!response.body) return new Uint8Array();
    const parts: Uint8Array[] = [];
    let size = 0;
    for await (const part of response.body) {
      size += part.length;
      if (size > limit) break;
      parts.push(part);
    }
    if (size <= limit) {
      return joined(parts, size);
    }
  } catch (cause) {
    throw new TargetError(
      "broken",
      `the answer broke off (${
        cause instanceof Error ? cause.message : cause
      })`,
    );
  }
  throw new TargetError("broken", `the answer is larger than ${limit} bytes`);
}

/** Done with a response: its connection is kept where the rest is short, and closed where it is a stream. */
export async function discard(response: Reply): Promise<void> {
  try {
    if (mediaType(response) === "text/event-stream") {
      await response.body?.cancel();
    } else await readBody(response, MAX_ERROR_BODY);
  } catch (cause) {
    log.debug("the rest of a response could not be read", { cause });
  }
}

/** The error that a body holds, if it is a JSON-RPC error at all, whatever its id. */
export function jsonRpcError(
  body: Bytes,
): { code: number; message: string; data?: unknown } | undefined {
  try {
    const frame = readFrame(body);
    if (frame.kind !== "error") return undefined;
    const { error } = frame.value(0, body.length) as {
      error: { code?: unknown; message?: unknown; data?: unknown };
    };
    if (typeof error?.code !== "number" || typeof error.message !== "string") {
      return undefined;
    }
    return { code: error.code, message: error.message, data: error.data };
  } catch {
    return undefined;
  }
}

/** Whether two URLs are the same but for a slash at the end of the path. */
export function sameButSlash(a: string, b: string): boolean {
  return a.replace(/\/(?=$|\?)/, "") === b.replace(/\/(?=$|\?)/, "");
}

function retryAfter(response: Reply): number {
  const value = response.headers.get("retry-after");
  if (value === null) return Infinity;
  const ms = /^\d+(?:\.\d+)?$/.test(value.trim())
    ? Number(value) * 1000
    : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? Infinity : Math.max(0, ms);
}

function excerpt(type: string, body: Bytes): string {
  if (!/^text\/plain$|json$/.test(type)) return "";
  const text = new TextDecoder().decode(body.subarray(0, 300)).replaceAll(
    /\s+/g,
    " ",
  ).trim();
  return text === "" ? "" : ` ("${text}")`;
}

/** Why there is no connection, for people, from the message of a {@linkcode ConnectError}. */
export function connectFault(text: string): string {
  if (/certificate/i.test(text)) {
    return `its certificate is not trusted (${text}); name the CA with --ca FILE, or --no-verify-ssl`;
  }
  if (/^proxy /.test(text)) {
    return `${text}; is HTTP_PROXY or HTTPS_PROXY right?`;
  }
  if (/refused/i.test(text)) {
    return "connection refused; is the server running?";
  }
  if (/dns|lookup/i.test(text)) return "no such host; is the name right?";
  if (/timed? ?out/i.test(text)) return "no answer; is the address right?";
  return text;
}
