import { Tokens } from "../auth/tokens.ts";
import { FilteredBackend } from "../catalog/backend.ts";
import { toolFilter } from "../catalog/filter.ts";
import { Source, type SourceOptions } from "../catalog/source.ts";
import type { World } from "../cli/world.ts";
import {
  type AggregateServer,
  sameServer,
} from "../config/aggregate_server.ts";
import type { Era } from "../mcp/eras.ts";
import { log } from "../log.ts";
import { childEnvironment } from "../upstream/environment.ts";
import { Server } from "../upstream/server.ts";
import { openRemote } from "../wire/remote.ts";
import type { Trust } from "../wire/tls.ts";
import type { Site } from "./app.ts";
import { Endpoint } from "./endpoint.ts";
import type { Serving } from "./status.ts";

/** Where SSE clients send messages, below the path of their endpoint. */
export const MESSAGES = "/message?sessionId=";

/** Bounds of each endpoint. */
export const LIMITS = {
  maxSessions: 256,
  idleMs: 30 * 60_000,
  maxBody: 16 * 1024 * 1024,
  stateless: false,
  flagged: false,
};

/** How long requests may go on at a server whose command has changed, in ms. */
const PATIENCE = 60_000;

/** One server, what is in front of it, and the config that it was made from. */
export class Place implements Serving {
  /** The server. */
  readonly server: Server;
  /** It as a part of the catalog. */
  readonly source: Source;
  /** Its own endpoint. */
  readonly endpoint: Endpoint;
  #config: AggregateServer;
  #backend: FilteredBackend;
  #world: World;

  /** Takes the config; nothing is started yet. */
  constructor(config: AggregateServer, trust: Trust, world: World) {
    this.#config = config;
    this.#world = world;
    this.server = new Server(config, {
      isolation: "session",
      env: this.#environment(config),
      onlistchanged: (method) => this.source.changed(method),
      onrecovered: () => this.source.recovered(),
      onfault: () => void this.source.check(),
      connect: ({ url, transport, headers }, events) =>
        openRemote({
          url,
          transport,
          headers,
          fetch: trust.fetch,
          forward: () => this.source.options.forwardHeaders,
        }, events),
    });
    this.source = new Source(this.server, sourceOptions(config));
    this.source.onup = (tools, ms) => this.#up(tools, ms);
    this.server.onstate = () => this.source.stirred();
    this.#backend = new FilteredBackend(
      this.server,
      () => this.source.options.allows,
    );
    this.endpoint = new Endpoint(this.#backend, MESSAGES, LIMITS);
  }

  /** Its name. */
  get name(): string {
    return this.#config.name;
  }

  /** What the user wants of it. */
  get options(): AggregateServer["options"] {
    return this.#config.options;
  }

  /** What it is known to speak. */
  get era(): Era | "both" | undefined {
    return this.source.era;
  }

  /** It as a site; the bare path answers as `bare`. */
  site(bare: "mcp" | "sse"): Site {
    const { authTokens, logEnabled } = this.options;
    return {
      endpoint: this.endpoint,
      tokens: new Tokens(authTokens),
      bare,
      ...logEnabled ? { logged: this.name } : {},
    };
  }

  /** Brings it up; resolves when it is, or has failed for the first time. */
  async start(): Promise<boolean> {
    const began = performance.now();
    void this.source.start();
    const up = await this.source.first;
    if (!up && this.#world.stderrIsTerminal && this.server.state !== "closed") {
      this.#show("✗", performance.now() - began, this.server.lastError);
    }
    return up;
  }

  /** Goes over to another config: says whether there was anything to do. */
  change(config: AggregateServer): boolean {
    const { source, server, endpoint } = this, before = this.#config;
    const kind = sameServer(before, config);
    if (kind === "same") return false;
    this.#config = config;
    source.options = sourceOptions(config);
    // Where no token is looked at any more, all callers are the one without.
    const { authTokens } = config.options;
    endpoint.dismiss((principal) =>
      authTokens.length === 0
        ? principal === ""
        : authTokens.includes(principal)
    );
    if (kind === "options") {
      this.#backend.changed();
      return true;
    }
    source.replaced();
    const env = this.#environment(config);
    void server.respec(config, env, PATIENCE).then(() => {
      source.recovered();
      this.#backend.changed();
    });
    return true;
  }

  /** Ends it when what runs has ended. */
  async retire(): Promise<void> {
    this.source.close();
    await this.server.drain(PATIENCE);
    await this.server.close();
    this.endpoint.close(`Server "${this.name}" was taken out of the config`);
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.source.close();
    await this.server.close();
    this.endpoint.close("The server is shutting down");
  }

  #environment(config: AggregateServer): Record<string, string> {
    return config.kind === "stdio"
      ? childEnvironment(this.#world, true, config.env)
      : {};
  }

  #up(tools: readonly string[], ms: number): void {
    const allowed = tools.filter(this.source.options.allows);
    if (this.#world.stderrIsTerminal) {
      const more = tools.length - allowed.length;
      const filtered = more > 0 ? `, ${more} left out by its filter` : "";
      this.#show("✓", ms, `${allowed.length} tools${filtered}`);
      return;
    }
    for (const tool of tools) {
      log.info(
        allowed.includes(tool)
          ? `<${this.name}> Adding tool ${tool}`
          : `<${this.name}> Ignoring tool ${tool} as its filter leaves it out`,
      );
    }
    log.info(`<${this.name}> Successfully initialized`, {
      tools: allowed.length,
      ms,
    });
  }

  #show(mark: string, ms: number, text: string): void {
    const time = `${Math.round(ms)} ms`.padStart(9);
    log.plain(`${mark} ${this.name.padEnd(20)} ${time}  ${text}`);
  }
}

function sourceOptions({ name, options }: AggregateServer): SourceOptions {
  const { authTokens, prefix, forwardHeaders } = options;
  return {
    authTokens,
    unlisted: authTokens.length === 0 && isSecret(name),
    prefix,
    forwardHeaders,
    allows: toolFilter(options),
  };
}

// A route that is hard to guess, such as `fetch/2b7e151628aed2a6`, is how a server is opened to those who know it.
function isSecret(name: string): boolean {
  const last = name.slice(name.lastIndexOf("/") + 1);
  if (last.length === name.length) return false;
  return last.length >= 20 || /^(?=.*\d)(?=.*[A-Za-z]).{12,}$/.test(last);
}
