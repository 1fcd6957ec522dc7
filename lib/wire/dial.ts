/**
 * Connections to remote servers: directly or through the proxy that the environment names, with TLS or without.
 *
 * @module
 */

/** Bytes both ways; what is needed of a `Deno.Conn`. */
export interface Wire {
  /** Reads some bytes into the buffer; resolves with how many, `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Writes some of the bytes; resolves with how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Closes both ways. */
  close(): void;
}

/** Makes connections, and makes them secure. */
export interface Sockets {
  /** Connects. */
  connect(hostname: string, port: number): Promise<Wire>;
  /** Connects with TLS. */
  connectTls(hostname: string, port: number): Promise<Wire>;
  /** Does the TLS handshake over a connection of its own. Closes it where that fails. */
  secure(plain: Wire, hostname: string): Promise<Wire>;
}

/** A connection, and what a request over it looks like. */
export interface Line {
  /** The connection. */
  readonly wire: Wire;
  /** Requests name the whole URL. */
  readonly absolute: boolean;
  /** Headers that every request needs on the way, each with its line break. */
  readonly extra: string;
}

/** Connects to the server of a URL. Rejects with the reason. */
export type Dial = (to: URL) => Promise<Line>;

/** Connections of Deno's, which check certificates against the usual ones and those in `caCerts` (PEM). */
export function checkedSockets(caCerts: string[]): Sockets {
  const secure = async (plain: Wire, hostname: string) => {
    const conn = await Deno.startTls(plain as Deno.TcpConn, {
      hostname,
      caCerts,
      alpnProtocols: ["http/1.1"],
    });
    try {
      await conn.handshake();
      return conn;
    } catch (cause) {
      conn.close();
      throw cause;
    }
  };
  return {
    connect,
    connectTls: async (hostname, port) =>
      await secure(await connect(hostname, port), hostname),
    secure,
  };
}

async function connect(hostname: string, port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname, port }).catch((cause) => {
    // Servers often listen on one of the two only, and not on the one that is looked up first.
    if (hostname !== "localhost") throw cause;
    return Deno.connect({ hostname: "127.0.0.1", port });
  });
  conn.setNoDelay(true);
  return conn;
}

/** A way to connect, through the proxy that the environment names. */
export function dialer(
  sockets: Sockets,
  env: (name: string) => string | undefined,
): Dial {
  return async (to) => {
    const tls = to.protocol === "https:", hostname = bare(to.hostname);
    const port = Number(to.port) || (tls ? 443 : 80);
    const proxy = proxyFor(to, env);
    if (!proxy) {
      const connect = tls ? sockets.connectTls : sockets.connect;
      return {
        wire: await connect(hostname, port),
        absolute: false,
        extra: "",
      };
    }
    const extra = authorization(proxy),
      plain = await connectProxy(sockets, proxy);
    if (!tls) return { wire: plain, absolute: true, extra };
    await tunnel(plain, `${to.hostname}:${port}`, extra, proxy.host);
    const wire = await sockets.secure(plain, hostname);
    return { wire, absolute: false, extra: "" };
  };
}

async function connectProxy(sockets: Sockets, proxy: URL): Promise<Wire> {
  try {
    return await sockets.connect(
      bare(proxy.hostname),
      Number(proxy.port) || 80,
    );
  } catch (cause) {
    throw new Error(
      `proxy ${proxy.host}: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

function authorization({ username, password }: URL): string {
  if (username === "") return "";
  return `proxy-authorization: Basic ${
    btoa(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)
  }\r\n`;
}

/** Asks a proxy for a way through (RFC 9110, 9.3.6). Closes the connection where there is none. */
async function tunnel(
  wire: Wire,
  authority: string,
  extra: string,
  proxy: string,
): Promise<void> {
  try {
    const ask = new TextEncoder().encode(
      `CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${extra}\r\n`,
    );
    for (let at = 0; at < ask.length;) at += await wire.write(ask.subarray(at));
    let head = "";
    const one = new Uint8Array(1);
    // Byte for byte: what comes after the head belongs to TLS.
    while (!head.endsWith("\r\n\r\n")) {
      if (head.length > 16_384 || await wire.read(one) === null) {
        throw new Error(`proxy ${proxy} gave no answer to CONNECT`);
      }
      head += String.fromCharCode(one[0] ?? 0);
    }
    const status = /^HTTP\/1\.[01] (\d{3}[^\r\n]*)/.exec(head)?.[1] ?? "";
    if (!status.startsWith("2")) {
      throw new Error(
        `proxy ${proxy} answered ${status || "no HTTP"} to CONNECT`,
      );
    }
  } catch (cause) {
    wire.close();
    throw cause;
  }
}

/** The proxy that the environment names for a URL, as `fetch` would find it; `undefined` for none. Throws where it is no http URL. */
export function proxyFor(
  url: URL,
  env: (name: string) => string | undefined,
): URL | undefined {
  const names = url.protocol === "https:"
    ? ["HTTPS_PROXY", "https_proxy"]
    : ["HTTP_PROXY", "http_proxy"];
  const named = [...names, "ALL_PROXY", "all_proxy"].map(env).find((value) =>
    value
  );
  if (
    named === undefined ||
    isExcepted(url, env("NO_PROXY") || env("no_proxy") || "")
  ) return undefined;
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(named)
    ? named
    : `http://${named}`;
  const proxy = URL.canParse(spelled) ? new URL(spelled) : undefined;
  if (proxy?.protocol === "http:") return proxy;
  throw new Error(
    `the proxy of the environment must be an http:// URL, not ${
      proxy?.protocol ?? "no URL"
    }`,
  );
}

function isExcepted(url: URL, list: string): boolean {
  const host = bare(url.hostname.toLowerCase());
  return list.split(",").some((entry) => {
    const [, name = "", bits, port] =
      /^\[?([^/\]]*?)\]?(?:\/(\d+))?(?::(\d+))?$/.exec(
        entry.trim().toLowerCase(),
      ) ?? [];
    if (name === "*") return true;
    if (
      port !== undefined &&
      port !== (url.port || (url.protocol === "https:" ? "443" : "80"))
    ) return false;
    if (bits !== undefined) return inNetwork(host, name, Number(bits));
    const suffix = name.replace(/^\*?\./, "");
    return suffix !== "" && (host === suffix || host.endsWith(`.${suffix}`));
  });
}

function inNetwork(host: string, network: string, bits: number): boolean {
  const number = (address: string) => {
    const parts = address.split(".").map(Number);
    return parts.length === 4 && parts.every((part) => part >= 0 && part < 256)
      ? parts.reduce((sum, part) => sum * 256 + part, 0)
      : NaN;
  };
  const size = 2 ** (32 - bits);
  return Math.floor(number(host) / size) === Math.floor(number(network) / size);
}
