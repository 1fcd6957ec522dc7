/**
 * The routes, and nothing else.
 *
 * @module
 */
import { CODE } from "../mcp/eras.ts";
import { log } from "../log.ts";
import { refusal } from "../wire/http.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Tokens } from "../auth/tokens.ts";
import type { Guard } from "./guard.ts";

/** A server's endpoint at its place. */
export interface Site {
  /** The endpoint. */
  readonly endpoint: Endpoint;
  /** Who may use it. */
  readonly tokens: Tokens;
  /** What the bare path answers as; nothing where it is left out. */
  readonly bare?: "mcp" | "sse";
  /** The name under which requests are logged; they are not where it is left out. */
  readonly logged?: string;
}

/** A route that is not a server's. */
export interface Page {
  /** Answers. */
  readonly answer: (request: Request, principal: string) => Response;
  /** Who may see it; everybody where it is left out. */
  readonly tokens?: Tokens;
}

const ROUTES: Record<string, "mcp" | "sse" | "messages" | undefined> = {
  "/mcp": "mcp",
  "/mcp/": "mcp",
  "/sse": "sse",
  "/messages": "messages",
  "/messages/": "messages",
  "/message": "messages",
};

/** So many parts of a path are taken for one token. */
const MAX_TOKEN_PARTS = 16;

/** Takes requests to where they belong. */
export class App {
  /** When the last request of MCP's came, in ms since 1970. */
  lastActivity: number = Date.now();
  /** How many requests of MCP's have come. */
  requests: number = 0;
  #guard: Guard;
  #sites: ReadonlyMap<string, Site>;
  #pages: ReadonlyMap<string, Page>;

  /**
   * Takes the guard; the sites by the path that they are under, `""` for the root and else like `/servers/x`; and other
   * routes by their path. Both maps may change.
   */
  constructor(
    guard: Guard,
    sites: ReadonlyMap<string, Site>,
    pages: ReadonlyMap<string, Page>,
  ) {
    this.#guard = guard;
    this.#sites = sites;
    this.#pages = pages;
  }

  /** Answers a request. Never rejects. */
  handle = async (request: Request): Promise<Response> => {
    try {
      const path = pathOf(request.url);
      const response = this.#guard.refuse(request) ??
        await this.#route(request, path);
      return this.#guard.mark(request, response);
    } catch (cause) {
      // The client went away in the middle of its request: nobody reads the answer.
      if (
        cause instanceof Deno.errors.Http ||
        cause instanceof Deno.errors.BadResource
      ) return new Response(null, { status: 400 });
      log.error(
        `Cannot answer ${request.method} ${pathOf(request.url)}: ${
          cause instanceof Error ? cause.message : cause
        }`,
      );
      return refusal(500, CODE.internal, "Internal error");
    }
  };

  #route(
    request: Request,
    path: string,
  ): Promise<Response> | Response {
    const end = path.endsWith("/") ? path.length - 1 : path.length;
    const slash = path.lastIndexOf("/", end - 1);
    const kind = ROUTES[path.slice(slash)];
    const base = path.slice(0, kind === undefined ? end : slash);
    const site = this.#find(base);
    const route = kind ?? site?.bare;
    const page = route === undefined || !site
      ? this.#pages.get(path)
      : undefined;
    if (page) return this.#page(request, page);
    if (!site || route === undefined) {
      return new Response("404 page not found\n", { status: 404 });
    }
    const principal = site.tokens.admit(request.headers, site.token);
    if (typeof principal !== "string") return principal;
    this.lastActivity = Date.now();
    this.requests++;
    if (site.logged !== undefined) {
      log.info(`<${site.logged}> Request [${request.method}] /${route}`);
    }
    const incoming = { request, principal, base };
    if (route === "mcp") return site.endpoint.mcp(incoming);
    if (route === "sse") return site.endpoint.sse(incoming);
    return site.endpoint.messages(incoming, sessionOf(request.url));
  }

  // A token may stand behind the path of a server that wants one.
  #find(base: string): Site & { token?: string } | undefined {
    const path = decode(base);
    const site = this.#sites.get(path);
    if (site) return site;
    let slash = path.length;
    // A token may hold slashes itself, but not so many that looking for its beginning takes long.
    for (let parts = 0; parts < MAX_TOKEN_PARTS; parts++) {
      slash = path.lastIndexOf("/", slash - 1);
      if (slash <= 0) return undefined;
      const before = this.#sites.get(path.slice(0, slash));
      if (!before) continue;
      if (before.tokens.list.length === 0) return undefined;
      return { ...before, token: path.slice(slash + 1) };
    }
    return undefined;
  }

  #page(request: Request, page: Page): Response {
    const principal = page.tokens?.admit(asBearer(request.headers)) ?? "";
    if (typeof principal !== "string") {
      principal.headers.append("www-authenticate", 'Basic realm="mcp-proxy"');
      return principal;
    }
    if (request.method === "GET" || request.method === "HEAD") {
      return page.answer(request, principal);
    }
    return new Response("Method Not Allowed\n", {
      status: 405,
      headers: { allow: "GET, HEAD" },
    });
  }
}

// Browsers can ask people for nothing but name and password: the token is the password.
function asBearer(headers: Headers): Headers {
  const [, encoded] = /^basic +(\S+)$/i.exec(
    headers.get("authorization") ?? "",
  ) ?? [];
  if (encoded === undefined) return headers;
  try {
    const pair = new TextDecoder().decode(
      Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0)),
    );
    const token = pair.slice(pair.indexOf(":") + 1);
    return new Headers({ authorization: `Bearer ${token}` });
  } catch {
    return headers;
  }
}

// Cheaper than a URL object, of which nothing else would be used.
function pathOf(url: string): string {
  const from = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", from);
  return from < 0 ? "/" : query < 0 ? url.slice(from) : url.slice(from, query);
}

function sessionOf(url: string): string | null {
  const [, found] = /[?&]session_?id=([^&#]*)/i.exec(url) ?? [];
  return found === undefined ? null : decode(found);
}

function decode(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
