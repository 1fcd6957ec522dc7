/**
 * `aggregate` at work: a route for each server, one for all of them, and pages for people and scripts.
 *
 * @module
 */
import type { TlsTrust } from "../cli/tls_flags.ts";
import type { World } from "../cli/world.ts";
import type { AggregateConfig } from "../config/aggregate_server.ts";
import { watchFile } from "../config/watch.ts";
import { log } from "../log.ts";
import { openTrust } from "../wire/tls.ts";
import { App, type Page } from "./app.ts";
import { Guard, LOOPBACK_NAMES } from "./guard.ts";
import { House } from "./house.ts";
import { isLoopback, listen } from "./listen.ts";
import { page } from "./page.ts";
import { alive, metrics, readiness, status } from "./status.ts";

/** How the proxy is run. */
export interface ServeAggregateOptions {
  /** Reads the config again. Throws a `ConfigError`. */
  reload: () => Promise<AggregateConfig>;
  /** Whether the file is watched. */
  watch: boolean;
  /** The file, or the URL, that the config comes from. */
  source: string;
  /** How certificates of remote servers are checked. */
  trust: TlsTrust;
}

/** How long the end of everything may take, in ms. */
const SHUTDOWN = 1500;

/** Serves until `world.shutdown`; resolves with the exit code. */
export async function serveAggregate(
  config: AggregateConfig,
  options: ServeAggregateOptions,
  world: World,
): Promise<number> {
  const trust = await openTrust(options.trust, world.env);
  const house = new House(config, trust, world);
  const loopback = isLoopback(config.listen.host);
  // A web server in front passes on the name that the world knows.
  const outside = config.baseUrl === undefined
    ? undefined
    : new URL(config.baseUrl);
  const names = outside ? [outside.hostname.toLowerCase()] : [];
  const guard = new Guard({
    hosts: loopback ? [...LOOPBACK_NAMES, ...names] : undefined,
    origins: outside ? [outside.origin] : [],
    exposed: [],
    hostRemedy: "put it into mcpProxy.baseURL",
    originRemedy: "put it into mcpProxy.baseURL",
  });
  const app: App = new App(guard, house.sites, pages(house, () => app));
  const remedy = { host: "mcpProxy.addr", port: "mcpProxy.addr" };
  const listening = await listen({ ...config.listen, remedy }, app.handle);
  // No client can come to "all interfaces".
  const root = listening.url.replace(
    /\/\/(?:0\.0\.0\.0|\[::\]):/,
    "//localhost:",
  );
  house.url = config.baseUrl ?? `${root}${encodeURI(config.basePath)}`;
  log.info(`Listening on ${listening.url}`);
  house.announce();
  if (!loopback && house.openToAll) {
    log.warn(
      `Anybody who can reach ${config.listen.host} can use these servers: set mcpProxy.options.authTokens`,
    );
  }
  const fatal = house.start();
  const ended = new AbortController();
  const reload = () => house.reload(options.reload);
  const watching = options.watch
    ? watchFile(options.source, reload, ended.signal)
    : undefined;
  world.onhangup(() => void reload());
  const reason = await Promise.race([fatal, aborted(world.shutdown)]);
  ended.abort();
  log.info("Shutting down");
  const closed = listening.close(SHUTDOWN);
  await house.close();
  await closed;
  await watching;
  trust.close();
  if (reason === undefined) return 0;
  throw new Error(reason);
}

// Whoever may use a server sees it on the pages, and nobody else does.
function pages(house: House, app: () => App): Map<string, Page> {
  const seen = (answer: Page["answer"]): Page => ({
    answer,
    get tokens() {
      return house.tokens;
    },
  });
  const health = () => alive(house.config, house.serving().length);
  const ready = () =>
    readiness(
      house.config,
      house.serving(),
      house.serving(""),
      house.began,
    );
  const all: [string, Page][] = Object.entries({
    "/": seen((_, principal) =>
      page(house.config, house.url, house.serving(principal))
    ),
    "/status": seen((_, principal) => status(app(), house.serving(principal))),
    "/metrics": seen((_, principal) =>
      metrics(app(), house.serving(principal))
    ),
    "/healthz": { answer: health },
    "/_healthz": { answer: health },
    "/readyz": { answer: ready },
    "/_readyz": { answer: ready },
  });
  const { basePath } = house.config;
  const below = all.map(([path, one]): [string, Page] => [
    `${basePath}${path}`,
    one,
  ]);
  const [home] = all;
  return new Map([
    ...all,
    ...below,
    ...home ? [[basePath, home[1]] as const] : [],
  ]);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined), { once: true })
  );
}
