/**
 * The listening socket: TCP, TLS or unix, and its end in steps.
 *
 * @module
 */

/** Where to listen. */
export interface ListenOptions {
  /** Name or address to bind to. */
  host: string;
  /** Port; 0 for a free one. */
  port: number;
  /** Path of a unix socket, instead of host and port. */
  unix?: string;
  /** PEM of the certificate chain, and of its key. */
  tls?: { cert: string; key: string };
  /** What a person changes to have another host and port; the flags where it is left out. */
  remedy?: { host: string; port: string };
}

/** A socket that listens. */
export interface Listening {
  /** The URL of the root, as clients reach it: `http://127.0.0.1:8080`, or `unix:/path`. */
  url: string;
  /** Stops accepting, and waits up to `ms` until the last response has been sent; then cuts what is left. */
  close(ms: number): Promise<void>;
}

/** Whether a name or address is this machine's own. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" ||
    /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Listens. Throws an error for people where that is not possible. */
export async function listen(
  options: ListenOptions,
  handler: (request: Request) => Promise<Response>,
): Promise<Listening> {
  muteAbortWarning();
  const cut = new AbortController();
  const { unix, tls } = options;
  const quiet = { signal: cut.signal, onListen() {} };
  const host = options.host.replace(/^\[(.*)\]$/, "$1");
  let server: Deno.HttpServer;
  try {
    if (unix !== undefined) {
      await removeStale(unix);
      server = Deno.serve({ ...quiet, path: unix }, handler);
      Deno.chmodSync(unix, 0o600);
    } else {server = Deno.serve({
        ...quiet,
        hostname: host,
        port: options.port,
        ...tls,
      }, handler);}
  } catch (cause) {
    throw new Error(cannotListen(options, cause), { cause });
  }
  const { addr } = server;
  const shown = host.includes(":") ? `[${host}]` : host;
  const url = "port" in addr
    ? `${tls ? "https" : "http"}://${shown}:${addr.port}`
    : `unix:${unix}`;
  return {
    url,
    async close(ms) {
      const timer = setTimeout(() => cut.abort(), ms);
      await server.shutdown().catch(() => {});
      await server.finished;
      clearTimeout(timer);
      if (unix !== undefined) await removeStale(unix);
    },
  };
}

// Deno says on stderr that a request's signal is aborted after success too. Whoever listens to one here knows.
function muteAbortWarning(): void {
  const { warn } = console;
  // deno-lint-ignore no-console -- as above
  console.warn = (...what: unknown[]) => {
    if (!String(what[0]).startsWith("Deno.serve: request.signal")) {
      warn(...what);
    }
  };
}

// A socket that nobody listens on stays in the file system when its program was killed.
async function removeStale(path: string): Promise<void> {
  const info = await Deno.stat(path).catch(() => undefined);
  if (!info?.isSocket) return;
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    await Deno.remove(path).catch(() => {});
  }
}

function cannotListen(options: ListenOptions, cause: unknown): string {
  if (options.unix !== undefined) {
    const head = `Cannot listen on socket "${options.unix}"`;
    return cause instanceof Deno.errors.AddrInUse
      ? `${head}: it is in use; choose another path with --unix`
      : `${head}: ${cause instanceof Error ? cause.message : cause}`;
  }
  const { remedy = { host: "--host", port: "--port" } } = options;
  const head = `Cannot listen on ${options.host}:${options.port}`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return `${head}: the port is in use; choose another one with ${remedy.port}`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `${head}: not permitted; choose a port above 1023 with ${remedy.port}`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return `${head}: this machine has no such address; check ${remedy.host}`;
  }
  return `${head}: ${cause instanceof Error ? cause.message : cause}`;
}
