/**
 * Tokens that clients of ours must show: as a bearer token, as `X-API-Key`, or in the path where a server allows that.
 *
 * @module
 */

const encoder = new TextEncoder();

/** Who may use something. */
export class Tokens {
  /** The tokens. */
  readonly list: readonly string[];
  /** Whether a caller that shows none may use it too. */
  readonly open: boolean;
  #encoded: Uint8Array[];

  /** Takes the tokens; without any it is open to everybody. */
  constructor(list: readonly string[], open: boolean = list.length === 0) {
    this.list = list;
    this.open = open;
    this.#encoded = list.map((token) => encoder.encode(token));
  }

  /**
   * Who calls: the token that they show, `""` for callers that need none; or the response that refuses them. Where no
   * token is known, what they show is not looked at. `inPath` is a token that stood in the path.
   */
  admit(headers: Headers, inPath?: string): string | Response {
    if (this.list.length === 0 && this.open) {
      return inPath === undefined ? "" : refused("");
    }
    const token = inPath ?? shown(headers);
    if (token === undefined) return this.open ? "" : refused("");
    return this.#find(encoder.encode(token)) ??
      refused(', error="invalid_token"');
  }

  // In constant time: how long it takes tells nothing about how much of a token is right.
  #find(token: Uint8Array): string | undefined {
    let found: string | undefined;
    for (const [index, known] of this.#encoded.entries()) {
      let difference = known.length ^ token.length;
      for (let i = 0; i < known.length; i++) {
        difference |= (known[i] ?? 0) ^ (token[i % (token.length || 1)] ?? 0);
      }
      if (difference === 0) found = this.list[index];
    }
    return found;
  }
}

function shown(headers: Headers): string | undefined {
  const authorization = headers.get("authorization");
  if (authorization === null) return headers.get("x-api-key")?.trim();
  return authorization.replace(/^bearer /i, "").trim();
}

function refused(error: string): Response {
  return new Response("Unauthorized\n", {
    status: 401,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "www-authenticate": `Bearer realm="mcp-proxy"${error}`,
    },
  });
}
