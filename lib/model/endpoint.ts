import { maskUrl } from "../log.ts";
import type { Bytes } from "../mcp/frame.ts";
import { version } from "../version.ts";
import type { Reply } from "../wire/http1.ts";
import type { Fetch } from "../wire/target.ts";
import { ModelError, networkFault } from "./failure.ts";
import { redactor } from "./redact.ts";
import type { Settings } from "./settings.ts";

/** How many redirects are followed. */
const MAX_REDIRECTS = 5;

/** A response, and what is needed to speak of it. */
export interface Received {
  /** The response, whatever its status. */
  readonly response: Reply;
  /** Where it came from: where the last redirect led, or the URL of the settings. */
  readonly url: string;
  /** Takes the key out of a text: who was sent it may well repeat it. */
  readonly redact: (text: string) => string;
}

/** Where requests go, with the headers that all of them carry. */
export class Endpoint {
  readonly #url: string;
  readonly #fetch: Fetch;
  readonly #headers: Record<string, string>;
  readonly #redact: (text: string) => string;

  /** Takes the settings, and what makes the requests. */
  constructor(settings: Settings, fetch: Fetch) {
    const { url, key, auth, basic, anthropicVersion } = settings;
    this.#url = url;
    this.#fetch = fetch;
    this.#redact = redactor(key);
    this.#headers = {
      ...basic === undefined ? {} : { authorization: basic },
      ...auth === "bearer"
        ? { authorization: `Bearer ${key}` }
        : { "x-api-key": key },
      "anthropic-version": anthropicVersion,
      "content-type": "application/json",
      "user-agent": `mcp-proxy/${version}`,
    };
  }

  /**
   * Sends a body; redirects are followed where they stay on the same origin, for the key goes nowhere else. Rejects with
   * a {@linkcode ModelError}.
   */
  async post(
    body: Bytes,
    accept: string,
    signal: AbortSignal,
  ): Promise<Received> {
    const headers = { ...this.#headers, accept };
    const request = { method: "POST", headers, body, signal };
    let url = this.#url;
    for (let redirects = 0;; redirects++) {
      let response: Reply;
      try {
        response = await this.#fetch(url, request);
      } catch (cause) {
        throw networkFault(cause, url);
      }
      const { status } = response;
      const location = response.headers.get("location");
      if (location === null || ![301, 302, 307, 308].includes(status)) {
        return { response, url, redact: this.#redact };
      }
      await response.body?.cancel();
      url = follow(url, location, status, redirects);
    }
  }
}

function follow(
  from: string,
  location: string,
  status: number,
  redirects: number,
): string {
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const what = `${maskUrl(from)} redirects (${status}) to ${
    maskUrl(to?.href ?? location)
  }`;
  if (to?.origin !== new URL(from).origin) {
    throw new ModelError(
      `${what}, which is another server and does not get the key`,
      {
        status,
        remedy: "set CLAUDE_MCP_BASE_URL to that server if you trust it",
      },
    );
  }
  if (redirects >= MAX_REDIRECTS) {
    throw new ModelError(`${what}, the redirect number ${redirects + 1}`, {
      status,
      remedy: "set CLAUDE_MCP_BASE_URL to the URL at their end",
    });
  }
  return to.href;
}
