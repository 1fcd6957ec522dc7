/**
 * Where the proxy listens, and what it is called from outside.
 *
 * @module
 */

/** Where to listen. */
export interface ListenAddress {
  /** A name, or an address without brackets. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
}

/**
 * Reads an address such as `:9090` (of all interfaces), `127.0.0.1:9090`, `[::1]:9090`; `undefined` for none. Throws an
 * `Error` that says what is accepted.
 */
export function parseAddress(text: string): ListenAddress | undefined {
  if (text.trim() === "") return undefined;
  const [, bracketed, plain = "", digits] =
    /^(?:\[([\da-f:.%]+)\]|([^:[\]\s/]*)):(\d{1,5})$/i.exec(text.trim()) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65535) {
    throw new Error('must be an address such as ":9090" or "127.0.0.1:9090"');
  }
  return { host: bracketed ?? (plain === "" ? "0.0.0.0" : plain), port };
}

/** How clients reach the proxy. */
export interface BaseUrl {
  /** The URL without a slash at its end; `undefined` where only the path is known. */
  readonly url?: string;
  /** Its path, not percent-encoded, without a slash at its end. */
  readonly path: string;
  /** What is odd about it. */
  readonly note?: string;
}

/** Reads `mcpProxy.baseURL`: a URL, one without its scheme, or only a path. Throws an `Error` that says what is accepted. */
export function parseBaseUrl(text: string): BaseUrl {
  const word = text.trim();
  if (word === "") return { path: "" };
  const bare = word.startsWith("/");
  const schemed = /^[a-z][a-z0-9+.-]*:\/\//i.test(word);
  const whole = bare
    ? `http://localhost${word}`
    : schemed
    ? word
    : `${likelyScheme(word)}://${word}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new Error("must be an http(s) URL such as https://mcp.example.com");
  }
  if (url.username !== "" || url.password !== "") {
    throw new Error(
      "must not hold a user or a password: clients send a token from authTokens instead",
    );
  }
  const path = cleanPath(url.pathname);
  const encoded = encodeURI(path);
  const note = url.search !== "" || url.hash !== ""
    ? "what stands after the path is ignored"
    : !bare && !schemed
    ? `has no scheme and is read as "${url.origin}${encoded}"`
    : undefined;
  return {
    ...bare ? {} : { url: url.origin + encoded },
    path,
    ...note === undefined ? {} : { note },
  };
}

function likelyScheme(word: string): "http" | "https" {
  return /^(?:localhost|[\d.]+|\[[\da-f:.]+\])(?:[:/]|$)|^[^/]*:\d/i.test(word)
    ? "http"
    : "https";
}

function cleanPath(pathname: string): string {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    throw new Error("must be a URL with a path that is rightly encoded");
  }
  if (/[?#\\]/.test(path)) {
    throw new Error("must be a URL without ?, # and \\ in its path");
  }
  return path.replace(/\/{2,}/g, "/").replace(/\/$/, "");
}
