/**
 * OAuth 2.0 client credentials (RFC 6749, section 4.4): a token for ourselves, fetched when the first request needs it
 * and again before it expires.
 *
 * @module
 */
import { hide, maskUrl } from "../log.ts";

/** Where the token comes from. */
export interface ClientCredentialsOptions {
  /** The token endpoint. */
  tokenUrl: string;
  /** Who we are. */
  clientId: string;
  /** What proves it; never printed. */
  clientSecret: string;
  /** Scopes to ask for, with spaces between them. */
  scope?: string;
  /** How the request is made. */
  fetch: (
    url: string,
    request: {
      method: string;
      headers: Record<string, string>;
      body: Uint8Array<ArrayBuffer>;
      signal: AbortSignal;
    },
  ) => Promise<{ status: number; bytes(): Promise<Uint8Array> }>;
  /** The clock, in ms. */
  now?: () => number;
}

interface Token {
  header: string;
  /** When to fetch the next one, in ms of the clock. */
  until: number;
}

/** How long before its end a token is no longer used, in ms; at most a fifth of its life. */
const MARGIN = 30_000;
/** How long the token endpoint may take, in ms. */
const MAX_WAIT = 20_000;
const MAX_BODY = 1024 * 1024;

/** A bearer token that renews itself. Many requests that need one at once fetch it once. */
export class ClientCredentials {
  readonly #options: ClientCredentialsOptions;
  #token: Token | undefined;
  #fetching: Promise<string> | undefined;
  /** How we prove who we are; the other way is tried where the endpoint does not take this one (RFC 6749, 2.3.1). */
  #way: "basic" | "post" = "basic";

  /** Takes where the token comes from; nothing is fetched yet. */
  constructor(options: ClientCredentialsOptions) {
    this.#options = options;
    hide(options.clientSecret);
  }

  /** The `Authorization` header. Rejects with an error for people where no token is to be had. */
  header(): string | Promise<string> {
    const token = this.#token;
    if (token && this.#now() < token.until) return token.header;
    return this.#fetching ??= this.#renew().finally(() =>
      this.#fetching = undefined
    );
  }

  /** A server has refused this header: the next one is new. */
  refused(header: string): boolean {
    if (this.#token?.header === header) this.#token = undefined;
    return true;
  }

  #now(): number {
    return this.#options.now?.() ?? performance.now();
  }

  async #renew(): Promise<string> {
    const asked = this.#now();
    let answer = await this.#ask();
    if (answer.rejected) {
      const before = this.#way;
      this.#way = before === "basic" ? "post" : "basic";
      answer = await this.#ask();
      if (answer.rejected) this.#way = before;
    }
    const { body, status } = answer;
    const token = body["access_token"];
    if (
      status !== 200 && status !== 201 || typeof token !== "string" ||
      token === ""
    ) throw this.#failure(status, body);
    const type = body["token_type"];
    if (typeof type === "string" && type.toLowerCase() !== "bearer") {
      throw new Error(
        `${this.#where()} gave a token of type "${type}"; only bearer tokens can be used`,
      );
    }
    hide(token);
    const life = Number(body["expires_in"]) * 1000;
    const until = life > 0
      ? asked + life - Math.min(MARGIN, life / 5)
      : Infinity;
    this.#token = { header: `Bearer ${token}`, until };
    return this.#token.header;
  }

  async #ask(): Promise<
    { status: number; body: Record<string, unknown>; rejected: boolean }
  > {
    const { clientId, clientSecret, scope, tokenUrl } = this.#options;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (scope !== undefined) form.set("scope", scope);
    const headers: Record<string, string> = {
      accept: "application/json",
      "content-type": "application/x-www-form-urlencoded",
    };
    if (this.#way === "basic") {
      headers["authorization"] = `Basic ${
        btoa(`${encode(clientId)}:${encode(clientSecret)}`)
      }`;
    } else {
      form.set("client_id", clientId);
      form.set("client_secret", clientSecret);
    }
    const stop = new AbortController(),
      timer = setTimeout(() => stop.abort(), MAX_WAIT);
    try {
      const body = new TextEncoder().encode(form.toString());
      const response = await this.#options.fetch(tokenUrl, {
        method: "POST",
        headers,
        body,
        signal: stop.signal,
      });
      const answer = parse(await response.bytes());
      const { status } = response;
      const rejected = status === 401 ||
        (status === 400 && answer["error"] === "invalid_client");
      return { status, body: answer, rejected };
    } catch (cause) {
      const text = cause instanceof Error && cause.cause instanceof Error
        ? cause.cause.message
        : cause;
      const why = stop.signal.aborted
        ? `no answer within ${MAX_WAIT / 1000} s`
        : text instanceof Error
        ? text.message
        : text;
      throw new Error(
        `Cannot get a token from ${this.#where()}: ${why}; is --token-url right?`,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  #failure(status: number, body: Record<string, unknown>): Error {
    const error = typeof body["error"] === "string" ? ` ${body["error"]}` : "";
    const more = typeof body["error_description"] === "string"
      ? ` (${body["error_description"]})`
      : "";
    const remedy = status === 401 || error === " invalid_client"
      ? "are --client-id and MCP_PROXY_CLIENT_SECRET right?"
      : error === " invalid_scope"
      ? "is --scope right?"
      : "is --token-url right?";
    return new Error(
      `Cannot get a token from ${this.#where()}: it answered ${status}${error}${more}; ${remedy}`,
    );
  }

  #where(): string {
    return maskUrl(this.#options.tokenUrl);
  }
}

// RFC 6749, appendix B: as in a form.
function encode(text: string): string {
  return new URLSearchParams([["", text]]).toString().slice(1);
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length > MAX_BODY) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === "object" && value !== null
      ? value as Record<string, unknown>
      : {};
  } catch {
    return {};
  }
}
