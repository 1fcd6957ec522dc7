import { Tokens } from "../auth/tokens.ts";
import { CatalogBackend } from "../catalog/backend.ts";
import { Catalog } from "../catalog/catalog.ts";
import { KINDS } from "../catalog/lists.ts";
import { opens } from "../catalog/source.ts";
import type { World } from "../cli/world.ts";
import type {
  AggregateConfig,
  AggregateServer,
} from "../config/aggregate_server.ts";
import { log } from "../log.ts";
import type { Trust } from "../wire/tls.ts";
import type { Site } from "./app.ts";
import { Endpoint } from "./endpoint.ts";
import { LIMITS, MESSAGES, Place } from "./place.ts";

/** All servers of a config at their places, and the change from one config to the next. */
export class House {
  /** Where they are, by path. */
  readonly sites: Map<string, Site> = new Map();
  /** When it was opened, in ms of the monotonic clock. */
  readonly began: number = performance.now();
  /** How clients reach it. */
  url = "";
  /** Who may see its pages: whoever may use a server. */
  tokens: Tokens = new Tokens([]);
  #config: AggregateConfig;
  #catalog: Catalog;
  #combined: Endpoint;
  #places: Map<string, Place> = new Map();
  #leaving: Set<Place> = new Set();
  #trust: Trust;
  #world: World;
  #reloading: Promise<void> = Promise.resolve();
  #closed = false;

  /** Takes the config; nothing is started yet. */
  constructor(config: AggregateConfig, trust: Trust, world: World) {
    this.#config = config;
    this.#trust = trust;
    this.#world = world;
    this.#catalog = new Catalog({ name: config.name, version: config.version });
    this.#combined = new Endpoint(
      new CatalogBackend(this.#catalog),
      MESSAGES,
      LIMITS,
    );
    for (const [index, server] of config.servers.entries()) {
      this.#add(server, index);
    }
    this.#open();
  }

  /** The config that is in force. */
  get config(): AggregateConfig {
    return this.#config;
  }

  /** Whether a server can be used without a token. */
  get openToAll(): boolean {
    return this.#config.servers.some(({ options }) =>
      options.authTokens.length === 0
    );
  }

  /** The servers, in the order of the config: all of them, or those that a caller may use. */
  serving(principal?: string): Place[] {
    const sources = principal === undefined
      ? this.#catalog.sources
      : this.#catalog.visible(principal);
    return sources.flatMap(({ name }) => this.#places.get(name) ?? []);
  }

  /** Tells where everything is. */
  announce(): void {
    const route = this.#route;
    for (const { name } of this.serving()) this.#announce(name);
    log.plain(`All servers as one: ${this.url}/${route}`);
    log.plain(`Each by itself: ${this.url}/NAME/${route}`);
  }

  /** Brings all servers up, each by itself; resolves with a reason if one fails that must not. */
  start(): Promise<string> {
    return new Promise((resolve) => {
      const first = this.serving().map(async (place) => {
        if (await place.start() || !place.options.panicIfInvalid) return;
        resolve(`Failed to add clients: ${place.server.lastError}`);
      });
      Promise.all(first).then(() => {
        if (!this.#closed) log.info("All clients initialized");
      });
    });
  }

  /** Goes over to the config as it is now; an invalid one changes nothing. */
  reload(read: () => Promise<AggregateConfig>): Promise<void> {
    // One after the other, so that the last one read is the one that stays.
    return this.#reloading = this.#reloading.then(async () => {
      try {
        const config = await read();
        if (!this.#closed) this.#apply(config);
      } catch (cause) {
        log.error(
          `The config is not applied, and the last one stays: ${
            cause instanceof Error ? cause.message : cause
          }`,
        );
      }
    });
  }

  /** Ends all of it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#catalog.close();
    const all = [...this.#places.values(), ...this.#leaving];
    await Promise.all(all.map((place) => place.close()));
    this.#combined.close("The server is shutting down");
  }

  get #route(): "sse" | "mcp" {
    return this.#config.type === "sse" ? "sse" : "mcp";
  }

  #pathOf(name: string): string {
    return `${this.#config.basePath}/${name}`;
  }

  #announce(name: string): void {
    if (this.#world.stderrIsTerminal) return;
    log.info(`<${name}> Handling requests at ${this.#pathOf(name)}/`);
  }

  #add(config: AggregateServer, index: number): Place {
    const place = new Place(config, this.#trust, this.#world);
    this.#places.set(config.name, place);
    this.#catalog.add(place.source, index);
    this.sites.set(this.#pathOf(config.name), place.site(this.#route));
    return place;
  }

  async #remove(place: Place): Promise<void> {
    this.#places.delete(place.name);
    this.sites.delete(this.#pathOf(place.name));
    this.#catalog.remove(place.source);
    this.#leaving.add(place);
    await place.retire();
    this.#leaving.delete(place);
  }

  // The combined endpoint and the pages are open to whoever may use at least one server.
  #open(): void {
    const { basePath, servers, authTokens } = this.#config;
    const known = new Set([
      ...servers.flatMap(({ options }) => options.authTokens),
      ...authTokens,
    ]);
    const open = servers.length === 0
      ? authTokens.length === 0
      : this.#catalog.visible("").length > 0;
    const tokens = this.tokens = new Tokens([...known], open);
    this.sites.set(basePath, { endpoint: this.#combined, tokens });
    this.#combined.dismiss((principal) =>
      principal === "" ? open : known.has(principal)
    );
  }

  #apply(next: AggregateConfig): void {
    const last = this.#config;
    if (
      JSON.stringify([last.listen, last.basePath]) !==
        JSON.stringify([next.listen, next.basePath])
    ) {
      log.warn(
        "mcpProxy.addr and baseURL are only read at the start: start again to change them",
      );
    }
    this.#config = { ...next, listen: last.listen, basePath: last.basePath };
    this.#catalog.identity = { name: next.name, version: next.version };
    const names = new Set(next.servers.map(({ name }) => name));
    const done: string[] = [];
    for (const [name, place] of [...this.#places]) {
      if (names.has(name)) continue;
      void this.#remove(place);
      done.push(`- ${name}`);
    }
    for (const [index, config] of next.servers.entries()) {
      const { name } = config, place = this.#places.get(name);
      if (!place) {
        this.#announce(name);
        void this.#add(config, index).start();
        done.push(`+ ${name}`);
        continue;
      }
      const before = place.source.options, { prefix } = before;
      if (place.change(config)) {
        this.#catalog.withdraw({
          opensTo: (principal) => opens(before, principal),
        });
        if (prefix !== config.options.prefix) {
          this.#catalog.rename(place.source);
        }
        for (const kind of KINDS) place.source.onchange(kind);
        done.push(`~ ${name}`);
      }
      // How requests are told to people may have changed with the proxy's own settings.
      this.sites.set(this.#pathOf(name), place.site(this.#route));
    }
    const order = next.servers.map(({ name }) => name);
    this.#catalog.sources.sort((a, b) =>
      order.indexOf(a.name) - order.indexOf(b.name)
    );
    this.#open();
    log.info(
      done.length === 0
        ? "The config was read again: nothing has changed"
        : `The config was read again: ${done.join(", ")}`,
    );
  }
}
