/**
 * What `ask` is told about the model's API, by flags and by variables.
 *
 * @module
 */
import { choice, integer, readBoolean, type Reader } from "../cli/flags.ts";
import { configDuration, MAX_DURATION_MS } from "../config/duration.ts";
import { hide, log } from "../log.ts";

/** Where the Messages API is, and how to speak to it. */
export interface Settings {
  /** Where requests go: complete, without user and password. */
  readonly url: string;
  /** The API key. It must never be in any output. */
  readonly key: string;
  /** How the key is sent: in `x-api-key`, or as a bearer token. */
  readonly auth: "x-api-key" | "bearer";
  /** User and password of the URL as an `Authorization` header, for a gateway that wants them beside the key. */
  readonly basic: string | undefined;
  /** The model that answers where a call names none. */
  readonly model: string;
  /** The value of the `anthropic-version` header. */
  readonly anthropicVersion: string;
  /** Longest wait for an answer, or for the next piece of one that is streamed, in ms; at least 1000. */
  readonly timeoutMs: number;
  /** How often a request that failed is sent again, from 0 to 100. */
  readonly maxRetries: number;
  /** Whether a long system text is marked for the prompt cache. */
  readonly cache: boolean;
}

/** What the flags say; a flag wins over its variable. */
export interface GivenSettings {
  /** `--base-url`. */
  readonly baseUrl: string | undefined;
  /** `--model`. */
  readonly model: string | undefined;
  /** `--anthropic-version`. */
  readonly anthropicVersion: string | undefined;
  /** `--timeout`, in ms. */
  readonly timeout: number | undefined;
  /** `--auth`. */
  readonly auth: Settings["auth"] | undefined;
  /** `--max-retries`. */
  readonly maxRetries: number | undefined;
  /** `--cache`. */
  readonly cache: boolean | undefined;
}

/** Defaults, as the help shows them. */
export const DEFAULTS = {
  model: "claude-sonnet-4-5",
  anthropicVersion: "2023-06-01",
  timeoutMs: 60_000,
  auth: "x-api-key",
  maxRetries: 2,
} as const;

const KEY = "CLAUDE_MCP_API_KEY", BASE_URL = "CLAUDE_MCP_BASE_URL";

/** A shorter timeout would cut off answers that are on their way. */
const MIN_TIMEOUT_MS = 1000;

/** Reads how the key is sent. */
export const readAuth: Reader<Settings["auth"]> = choice([
  "x-api-key",
  "bearer",
]);

/** Reads how often to try again. */
export const readRetries: Reader<number> = integer(0, 100);

/**
 * Puts flags and variables together. White space around a value is dropped, and a variable without a value is none.
 * Throws an error that names the variable where one is missing or cannot be used.
 */
export function readSettings(
  given: GivenSettings,
  env: (name: string) => string | undefined,
): Settings {
  const variable = <T>(name: string, read: Reader<T>): T | undefined => {
    const text = env(name)?.trim();
    if (!text) return undefined;
    try {
      return read(text);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : cause;
      throw new Error(`${name} ${JSON.stringify(text)} ${why}`);
    }
  };
  const key = env(KEY)?.trim() ?? "";
  hide(key);
  const baseUrl = given.baseUrl ?? variable(BASE_URL, readBaseUrl);
  requireBoth(baseUrl, key);
  const url = new URL(messagesUrl(baseUrl ?? ""));
  const auth = given.auth ?? variable("CLAUDE_MCP_AUTH", readAuth) ??
    DEFAULTS.auth;
  const basic = takeCredentials(url);
  if (basic !== undefined && auth === "bearer") {
    throw new Error(
      `${BASE_URL} has a user name, and CLAUDE_MCP_AUTH "bearer" leaves no place for it: take out one of them`,
    );
  }
  return {
    url: url.href,
    key,
    auth,
    basic,
    model: given.model ?? variable("CLAUDE_MCP_MODEL", (word) => word) ??
      DEFAULTS.model,
    anthropicVersion: given.anthropicVersion ??
      variable("CLAUDE_MCP_ANTHROPIC_VERSION", readHeader) ??
      DEFAULTS.anthropicVersion,
    maxRetries: given.maxRetries ??
      variable("CLAUDE_MCP_MAX_RETRIES", readRetries) ?? DEFAULTS.maxRetries,
    cache: given.cache ?? variable("CLAUDE_MCP_CACHE", readBoolean) ?? true,
    timeoutMs: atLeast(
      given.timeout ?? variable("CLAUDE_MCP_TIMEOUT_MS", readMilliseconds) ??
        DEFAULTS.timeoutMs,
    ),
  };
}

function requireBoth(baseUrl: string | undefined, key: string): void {
  if (baseUrl === undefined) {
    const both = key === "" ? ` and ${KEY} are` : " is";
    throw new Error(
      `${BASE_URL}${both} not set: give the address of a Messages API, such as https://api.anthropic.com${
        key === "" ? ", and its key" : ""
      }`,
    );
  }
  if (key === "") {
    throw new Error(`${KEY} is not set: give the key of the Messages API`);
  }
  try {
    readHeader(key);
  } catch {
    throw new Error(
      `${KEY} holds a character that no key can have: copy it again, without quotes and line breaks`,
    );
  }
}

/** Reads an address that {@linkcode messagesUrl} can complete. Throws an `Error` that says what is accepted. */
export function readBaseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Error("must be an http:// or https:// URL");
  }
  return text;
}

/**
 * The URL that requests go to: `…/v1/messages` as it is, `…/v1` with `/messages`, anything else with `/v1/messages`. The
 * query is kept.
 */
export function messagesUrl(baseUrl: string): string {
  const url = new URL(baseUrl);
  const path = url.pathname.replace(/\/+$/, "");
  url.pathname = path.endsWith("/v1/messages")
    ? path
    : path.endsWith("/v1")
    ? `${path}/messages`
    : `${path}/v1/messages`;
  url.hash = "";
  return url.href;
}

/** Takes user and password out of the URL, as the `Authorization` that they stand for. */
function takeCredentials(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const [user, password] = [url.username, url.password].map(decoded);
  url.username = url.password = "";
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  const encoded = btoa(String.fromCharCode(...bytes));
  hide(password ?? "");
  hide(encoded);
  return `Basic ${encoded}`;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Reads a value that a header can carry: visible ASCII and spaces. */
export function readHeader(word: string): string {
  if (/^[\x20-\x7e]+$/.test(word)) return word;
  throw new Error("must consist of letters that a header can carry");
}

function readMilliseconds(word: string): number {
  const ms = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/.test(word) ? Number(word) : NaN;
  if (!(ms <= MAX_DURATION_MS)) {
    throw new Error("must be a number of milliseconds, such as 60000");
  }
  return ms;
}

/** Reads the value of `--timeout`: with a unit, or a number, in seconds below 1000 and in ms from there on. */
export function readTimeout(word: string): number {
  return configDuration(word).ms;
}

function atLeast(ms: number): number {
  if (ms >= MIN_TIMEOUT_MS) return Math.round(ms);
  log.warn(
    `A timeout of ${ms} ms (CLAUDE_MCP_TIMEOUT_MS, --timeout) is too short: it counts as ${MIN_TIMEOUT_MS}`,
  );
  return MIN_TIMEOUT_MS;
}
