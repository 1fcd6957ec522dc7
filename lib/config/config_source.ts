/**
 * Where a config comes from: a file, or an http(s) URL.
 *
 * @module
 */

import { isUrl } from "../cli/dispatch.ts";
import { mask, maskUrl } from "../log.ts";
import { ConfigError, readConfigText } from "./config_file.ts";
import { formatDuration } from "./duration.ts";

/** How a config is fetched from a URL. */
export interface SourceOptions {
  /** Headers of the request. They go to the host of the URL only, wherever it redirects to. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Milliseconds until all of it must be there; 0 or left out for any time. */
  readonly timeoutMs?: number;
  /** Used in place of `fetch`; does not follow redirects. */
  readonly fetch?: (
    url: string,
    request: SourceRequest,
  ) => Promise<SourceReply>;
}

/** A request for a config. */
export interface SourceRequest {
  /** `GET`. */
  method: string;
  /** The headers, by their names in lower case. */
  headers: Record<string, string>;
  /** There is none. */
  body: null;
  /** Breaks off whatever is going on. */
  signal: AbortSignal;
}

/** What of the response is needed. */
export interface SourceReply {
  /** The status. */
  readonly status: number;
  /** What the server calls the status, or `""`. */
  readonly statusText: string;
  /** The headers. */
  readonly headers: { get(name: string): string | null };
  /** The body, piece by piece. */
  readonly body:
    | (AsyncIterable<Uint8Array> & { cancel(): Promise<void> })
    | null;
}

const MAX_REDIRECTS = 10;
const MAX_BYTES = 8 * 1024 * 1024;

/** The source as it may be shown: without the secrets that a URL can hold. */
export function sourceName(source: string): string {
  return isUrl(source) ? maskUrl(source) : source;
}

/** The text of a config. Throws a {@link ConfigError} that says why it cannot be read. */
export async function readConfigSource(
  source: string,
  options: SourceOptions = {},
): Promise<string> {
  if (!isUrl(source)) return await readConfigText(localPath(source));
  const { timeoutMs } = options;
  const signal = timeoutMs
    ? AbortSignal.timeout(timeoutMs)
    : new AbortController().signal;
  try {
    return await fetchConfig(source, options, signal);
  } catch (error) {
    const problem = signal.aborted
      ? `there is no answer within ${
        formatDuration(timeoutMs ?? 0)
      }; check the URL, or allow more with -http-timeout`
      : fetchProblem(error);
    throw new ConfigError(sourceName(source), [problem]);
  }
}

/** The path of a file that is named by its path or by a `file:` URL. */
export function localPath(source: string): string {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(source)) return source;
  if (/^file:/i.test(source) && URL.canParse(source)) {
    return decodeURIComponent(new URL(source).pathname)
      .replace(/^\/([a-z]:\/)/i, "$1");
  }
  throw new ConfigError(maskUrl(source), [
    "it must be the path of a file, or an http(s) URL",
  ]);
}

/** What the server's answer shows to be wrong. */
class Refused extends Error {}

async function fetchConfig(
  source: string,
  options: SourceOptions,
  signal: AbortSignal,
): Promise<string> {
  if (!URL.canParse(source)) throw new Refused("it is no URL; check it");
  const request = options.fetch ?? plainFetch;
  const origin = new URL(source).origin;
  let url = new URL(source);
  for (let left = MAX_REDIRECTS; left >= 0; left--) {
    const headers = new Headers({ accept: "application/json, */*;q=0.5" });
    if (url.origin === origin) {
      for (const [name, value] of options.headers ?? []) {
        headers.append(name, value);
      }
    }
    const response = await request(url.href, {
      method: "GET",
      headers: Object.fromEntries(headers),
      body: null,
      signal,
    });
    const { status } = response;
    if (status >= 200 && status <= 299) return await boundedText(response);
    await response.body?.cancel();
    const next = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(status) || !next) {
      throw new Refused(statusProblem(response));
    }
    const before = url;
    url = new URL(next, url);
    // A config says which programs are run: nobody on the way may change it.
    if (before.protocol === "https:" && url.protocol !== "https:") {
      throw new Refused(
        `it redirects from https to ${
          maskUrl(url.href)
        }; give that URL if you trust it`,
      );
    }
  }
  throw new Refused(`it redirects more than ${MAX_REDIRECTS} times`);
}

function plainFetch(
  url: string,
  request: SourceRequest,
): Promise<SourceReply> {
  return fetch(url, { ...request, redirect: "manual" });
}

async function boundedText(response: SourceReply): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) {
      throw new Refused(
        `it is longer than ${MAX_BYTES / 1024 / 1024} MB; is it a config?`,
      );
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function statusProblem({ status, statusText }: SourceReply): string {
  const remedy = status === 401 || status === 403
    ? "give credentials with -http-headers 'Authorization:Bearer …'"
    : "check the URL";
  return `the server answers with status ${status} ${statusText}`.trimEnd() +
    `; ${remedy}`;
}

function fetchProblem(error: unknown): string {
  if (error instanceof Refused) return error.message;
  const message = mask(error instanceof Error ? error.message : String(error));
  const remedy = /certificate|self.signed|unknownissuer/i.test(message)
    ? "; trust its authority with --ca, or do not check it with -insecure"
    : "";
  return `${message}${remedy}`;
}
