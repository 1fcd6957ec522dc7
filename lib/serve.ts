/**
 * `serve`: local stdio servers behind HTTP.
 *
 * @module
 */
import {
  choice,
  duration,
  type FlagTable,
  integer,
  list,
  many,
  one,
  pairs,
  port,
  size,
  text,
  toggle,
} from "./cli/flags.ts";
import { isOrigin } from "./cli/former_flags.ts";
import { helpText } from "./cli/help.ts";
import { applyLogFlags, logFlags } from "./cli/log_flags.ts";
import { parseFlags, type Usage } from "./cli/parse.ts";
import { tlsFlags, tlsTrust } from "./cli/tls_flags.ts";
import { UsageError } from "./cli/usage.ts";
import type { World } from "./cli/world.ts";
import { namedServer, type ServerSpec } from "./config/server_spec.ts";
import { Tokens } from "./auth/tokens.ts";
import { App, type Page, type Site } from "./http/app.ts";
import { Endpoint } from "./http/endpoint.ts";
import { Guard, LOOPBACK_NAMES } from "./http/guard.ts";
import { isLoopback, listen, type Listening } from "./http/listen.ts";
import {
  healthy,
  metrics,
  ready,
  type Serving,
  status,
} from "./http/status.ts";
import { log } from "./log.ts";
import { childEnvironment } from "./upstream/environment.ts";
import { Server, type ServerOptions } from "./upstream/server.ts";

const flags = {
  host: one(text, "Address to listen on", {
    value: "HOST",
    shown: "127.0.0.1",
  }),
  port: one(port, "Port to listen on; 0 for any that is free", {
    value: "PORT",
    shown: "a free one",
  }),
  sseHost: one(text, "Deprecated: the same as --host", { value: "HOST" }),
  ssePort: one(port, "Deprecated: the same as --port", { value: "PORT" }),
  unix: one(text, "Listen on a unix socket instead", { value: "PATH" }),
  tlsCert: one(text, "PEM file with the certificate to serve HTTPS with", {
    value: "FILE",
  }),
  tlsKey: one(text, "PEM file with its key", { value: "FILE" }),
  env: pairs("A variable for the default server; also KEY=VALUE", {
    short: "e",
    separators: "=",
  }),
  cwd: one(text, "Working directory of the default server", { value: "DIR" }),
  passEnvironment: toggle("Hand the whole environment to the servers"),
  namedServer: pairs(
    "A server under /servers/NAME/; the command is split as a shell does",
    { value: "NAME COMMAND" },
  ),
  namedServerConfig: one(
    text,
    "JSON file with named servers; --named-server is then ignored",
    { value: "FILE" },
  ),
  stateless: toggle("Streamable HTTP without sessions, one process for all"),
  isolation: one(
    choice(["session", "shared"]),
    "A process for each session, or one for all: session or shared",
    {
      value: "KIND",
      default: "session",
    },
  ),
  maxSessions: one(
    integer(1, 1_000_000),
    "How many sessions each server may have",
    { value: "N", default: 256 },
  ),
  sessionIdle: one(duration, "End sessions that nobody has used for so long", {
    value: "DURATION",
    default: 30 * 60_000,
    shown: "30m",
  }),
  allowOrigin: many(
    text,
    "Web origins that may use the servers (CORS); * for any",
    { value: "ORIGIN…", accepts: isOrigin },
  ),
  exposeHeader: list(text, "A header that pages of these origins may read", {
    value: "NAME",
  }),
  allowHost: list(text, "A name that clients may reach this server by", {
    value: "NAME",
  }),
  authToken: list(
    text,
    "A token that clients must send; better in MCP_PROXY_AUTH_TOKEN",
    {
      value: "TOKEN",
      env: "MCP_PROXY_AUTH_TOKEN",
      secret: true,
    },
  ),
  maxBody: one(size, "Longest body of a request", {
    value: "SIZE",
    default: 16 * 1024 * 1024,
    shown: "16mb",
  }),
  ...tlsFlags,
  ...logFlags,
} satisfies FlagTable;

const usage: Usage<typeof flags> = {
  line: "mcp-proxy serve [flags] [--] COMMAND [ARGS…]",
  about: "Serves local stdio MCP servers over Streamable HTTP and HTTP+SSE.",
  flags,
  examples: [
    "mcp-proxy serve --port 8080 -- npx -y @modelcontextprotocol/server-everything",
    "mcp-proxy serve --port 8080 --named-server files 'npx -y @modelcontextprotocol/server-filesystem /tmp'",
  ],
  child: true,
};

/** What `mcp-proxy serve --help` says. */
export const help: string = helpText(usage);

/** How long the end of everything may take, in ms. */
const SHUTDOWN = 4500;

/** Serves until `world.shutdown`; resolves with the exit code. Throws where it cannot begin. */
export async function run(args: string[], world: World): Promise<number> {
  const { flags: given, words } = parseFlags(usage, args, world);
  applyLogFlags(given, world);
  const specs = await configured(given, words, world);
  const host = given.host ?? given.sseHost ?? "127.0.0.1";
  const tls = await readTls(given.tlsCert, given.tlsKey);
  const { connect, close } = await remotes(specs, given, world);
  const sites = new Map<string, Site>();
  const tokens = new Tokens(given.authToken);
  const serving: Serving[] = specs.map((spec, index) => {
    const env = spec.kind === "stdio"
      ? childEnvironment(world, given.passEnvironment, spec.env)
      : {};
    const server = new Server(spec, {
      isolation: given.isolation,
      env,
      connect,
    });
    const base = index === 0 && words.length > 0 ? "" : `/servers/${spec.name}`;
    const endpoint = new Endpoint(server, "/messages/?session_id=", {
      maxSessions: given.maxSessions,
      idleMs: given.sessionIdle,
      maxBody: given.maxBody,
      stateless: given.stateless,
      flagged: true,
    });
    sites.set(base, { endpoint, tokens });
    return { server, endpoint };
  });
  const loopback = given.unix !== undefined || isLoopback(host);
  const guard = new Guard({
    hosts: allowedHosts(given.allowHost, given.unix === undefined && loopback),
    origins: given.allowOrigin,
    exposed: given.exposeHeader,
    hostRemedy: "name it with --allow-host",
    originRemedy: "name it with --allow-origin",
  });
  const app: App = new App(
    guard,
    sites,
    new Map<string, Page>([
      ["/status", { answer: () => status(app, serving), tokens }],
      ["/healthz", { answer: healthy }],
      ["/readyz", { answer: () => ready(serving) }],
      ["/metrics", { answer: () => metrics(app, serving), tokens }],
    ]),
  );
  const listening = await listen({
    host,
    port: given.port ?? given.ssePort ?? 0,
    ...given.unix === undefined ? {} : { unix: given.unix },
    ...tls === undefined ? {} : { tls },
  }, app.handle);
  announce(listening.url, [...sites.keys()]);
  if (!loopback && given.authToken.length === 0) {
    log.warn(
      `Anybody who can reach ${host} can use these servers: set MCP_PROXY_AUTH_TOKEN, or bind to 127.0.0.1`,
    );
  }
  const dead = watchStart(serving.map(({ server }) => server));
  for (const { server } of serving) server.start();
  const reason = await Promise.race([dead, ended(world.shutdown)]);
  await shutDown(listening, serving);
  close();
  if (reason === undefined) return 0;
  throw new Error(reason);
}

async function configured(
  given: { [K in "namedServerConfig"]?: string | undefined } & {
    namedServer: [string, string][];
    env: [string, string][];
    cwd: string | undefined;
  },
  words: string[],
  _world: World,
): Promise<ServerSpec[]> {
  const specs: ServerSpec[] = [];
  const [command, ...args] = words;
  if (command !== undefined) {
    const env = Object.fromEntries(given.env);
    specs.push({
      name: "default",
      kind: "stdio",
      command,
      args,
      env,
      ...given.cwd === undefined ? {} : { cwd: given.cwd },
    });
  }
  if (given.namedServerConfig !== undefined) {
    if (given.namedServer.length > 0) {
      log.warn(
        "--named-server is ignored, because --named-server-config is given",
      );
    }
    const { readNamedServers } = await import("./config/named_servers.ts");
    specs.push(...await readNamedServers(given.namedServerConfig));
  } else {
    for (const [name, line] of given.namedServer) {
      const same = specs.findIndex((spec, index) =>
        spec.name === name && (index > 0 || command === undefined)
      );
      const spec = namedServer(name, line);
      if (same >= 0) specs[same] = spec;
      else specs.push(spec);
    }
  }
  if (
    command !== undefined &&
    specs.slice(1).some((spec) => spec.name === "default")
  ) {
    throw new Error(
      'No named server can be called "default" beside the default server: give it another name',
    );
  }
  if (specs.length === 0) {
    throw new UsageError(
      "there is nothing to serve: give a command, or --named-server",
      { usage: usage.line },
    );
  }
  return specs;
}

async function readTls(
  cert: string | undefined,
  key: string | undefined,
): Promise<{ cert: string; key: string } | undefined> {
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined || key === undefined) {
    throw new UsageError(
      "--tls-cert and --tls-key belong together: give both",
      { usage: usage.line },
    );
  }
  const read = (path: string) =>
    Deno.readTextFile(path).catch((cause) => {
      throw new Error(
        `Cannot read "${path}": ${
          cause instanceof Error ? cause.message : cause
        }`,
      );
    });
  return { cert: await read(cert), key: await read(key) };
}

/** How remote servers are reached, and how that ends. */
interface Remotes {
  connect: ServerOptions["connect"];
  close(): void;
}

async function remotes(
  specs: ServerSpec[],
  flags: Parameters<typeof tlsTrust>[0],
  world: World,
): Promise<Remotes> {
  if (specs.every((spec) => spec.kind === "stdio")) {
    const connect = () => {
      throw new Error("No server is remote");
    };
    return { connect, close() {} };
  }
  const { openRemote } = await import("./wire/remote.ts");
  const { openTrust } = await import("./wire/tls.ts");
  const { fetch, close } = await openTrust(
    tlsTrust(flags),
    (name) => world.env(name),
  );
  return {
    connect: ({ url, transport, headers }, events) =>
      openRemote(
        { url, transport, headers, fetch },
        events,
      ),
    close,
  };
}

function allowedHosts(
  allowed: string[],
  loopback: boolean,
): string[] | undefined {
  if (allowed.length === 0 && !loopback) return undefined;
  return [
    ...LOOPBACK_NAMES,
    ...allowed.map((name) => name.toLowerCase().replace(/:\d+$/, "")),
  ];
}

function announce(url: string, bases: string[]): void {
  for (const [title, route] of [["Streamable HTTP", "mcp"], ["SSE", "sse"]]) {
    log.plain(`Serving MCP Servers via ${title}:`);
    for (const base of bases) {
      log.plain(`  - ${url}${encodeURI(base)}/${route}`);
    }
  }
}

// Resolves with the reasons once no server is left that works or may still do so, and none ever did.
function watchStart(servers: Server[]): Promise<string> {
  return new Promise((resolve) => {
    for (const server of servers) {
      server.onstate = () => {
        if (servers.some((one) => one.everWorked || one.state !== "failed")) {
          return;
        }
        resolve(
          `No server could be started: ${
            servers.map((one) => one.lastError).join("; ")
          }`,
        );
      };
    }
  });
}

function ended(shutdown: AbortSignal): Promise<undefined> {
  if (shutdown.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) =>
    shutdown.addEventListener("abort", () => resolve(undefined), { once: true })
  );
}

async function shutDown(
  listening: Listening,
  serving: Serving[],
): Promise<void> {
  log.info("Shutting down");
  const closed = listening.close(SHUTDOWN / 3);
  // Calls that run are answered first, then the streams end; the processes take the longest.
  const ended = serving.map(({ server }) => server.close());
  for (const { endpoint } of serving) {
    endpoint.close("The server is shutting down");
  }
  await Promise.all(ended);
  await closed;
}
