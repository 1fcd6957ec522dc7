/**
 * The guard at the door: Host and Origin of every request are looked at before anything else sees it. Browsers
 * send requests to loopback addresses on behalf of any page (DNS rebinding), so being bound to loopback is no protection.
 *
 * @module
 */

/** Whom the guard lets in. */
export interface GuardOptions {
  /** Accepted names in `Host`, without ports, in lower case; `undefined` for any. */
  hosts: string[] | undefined;
  /** Accepted values of `Origin`; `*` for any. */
  origins: string[];
  /** What a person has to do to have another name accepted. */
  hostRemedy: string;
  /** The same for an origin. */
  originRemedy: string;
  /** Header names that pages of accepted origins may read, on top of the usual. */
  exposed: string[];
}

/** The names under which a loopback address is known. */
export const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

const METHODS = "GET, POST, DELETE, OPTIONS";
const EXPOSED = ["mcp-session-id", "www-authenticate"];

/** Looks at every request. */
export class Guard {
  #options: GuardOptions;
  #exposed: string;

  /** Takes whom to let in. */
  constructor(options: GuardOptions) {
    this.#options = options;
    this.#exposed = [...EXPOSED, ...options.exposed].join(", ");
  }

  /** The response that refuses a request, or answers for the browser that asks before it; `undefined` where it may pass. */
  refuse(request: Request): Response | undefined {
    const { headers } = request;
    const host = headers.get("host") ?? new URL(request.url).host;
    if (!this.#knowsHost(host)) {
      return text(
        403,
        `Forbidden: Host "${host}" is not accepted; ${this.#options.hostRemedy} if it is yours`,
      );
    }
    const origin = headers.get("origin");
    if (origin !== null && !this.#knowsOrigin(origin)) {
      return text(
        403,
        `Forbidden: Origin "${origin}" is not accepted; ${this.#options.originRemedy} if you trust it`,
      );
    }
    if (request.method === "OPTIONS") return this.#preflight(request, origin);
    return undefined;
  }

  /** Adds what a page of an accepted origin needs to read the response. */
  mark(request: Request, response: Response): Response {
    if (this.#options.origins.length === 0) return response;
    const origin = request.headers.get("origin");
    response.headers.append("vary", "Origin");
    if (origin !== null && this.#listsOrigin(origin)) {
      response.headers.set(
        "access-control-allow-origin",
        this.#options.origins.includes("*") ? "*" : origin,
      );
      response.headers.set("access-control-expose-headers", this.#exposed);
    }
    return response;
  }

  #knowsHost(host: string): boolean {
    const { hosts } = this.#options;
    return hosts === undefined ||
      hosts.includes(withoutPort(host).toLowerCase());
  }

  #knowsOrigin(origin: string): boolean {
    if (this.#listsOrigin(origin)) return true;
    // A page of this machine is trusted as far as the machine's own names are.
    const name = /^https?:\/\/(.+)$/.exec(origin)?.[1];
    return this.#options.hosts !== undefined && name !== undefined &&
      LOOPBACK_NAMES.includes(withoutPort(name).toLowerCase());
  }

  #listsOrigin(origin: string): boolean {
    const { origins } = this.#options;
    return origins.length > 0 &&
      (origins.includes("*") || origins.includes(origin));
  }

  #preflight(request: Request, origin: string | null): Response {
    const wanted = request.headers.get("access-control-request-headers");
    if (origin === null || !this.#listsOrigin(origin)) {
      return text(405, "Method Not Allowed", { allow: METHODS });
    }
    return new Response(null, {
      status: 204,
      headers: {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": wanted ?? "content-type",
        "access-control-max-age": "600",
      },
    });
  }
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}

function text(
  status: number,
  body: string,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${body}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  });
}
