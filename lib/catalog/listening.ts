import { META } from "../mcp/eras.ts";
import { type Bytes, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import { exchange as put } from "../mcp/splice.ts";
import type { Exchange } from "../wire/leg.ts";
import { pause } from "../wire/pause.ts";
import type { Catalog, Watcher } from "./catalog.ts";
import { type ListKind, LISTS } from "./lists.ts";
import { withAliases } from "./rewrite.ts";
import type { Call } from "./router.ts";
import type { Source } from "./source.ts";

/** Shortest wait before a subscription is made anew, in ms. */
const LEAST_PAUSE = 500;

const WATCHED: readonly { flag: string; kind: ListKind }[] = [
  { flag: "toolsListChanged", kind: "tools" },
  { flag: "promptsListChanged", kind: "prompts" },
  { flag: "resourcesListChanged", kind: "resources" },
];

/** A resource that somebody listens for. */
export interface Watched {
  /** Whose it is. */
  source: Source;
  /** What its server calls it. */
  uri: string;
  /** What the client calls it. */
  shown: string;
}

/** A modern client's `subscriptions/listen` at many servers. */
export class Listening {
  /** The resources that it is for, as the client calls them. */
  readonly uris: readonly string[];
  #catalog: Catalog;
  #principal: string;
  #call: Call;
  #kinds: readonly ListKind[];
  #ended = new AbortController();

  /** Takes the request. */
  constructor(catalog: Catalog, principal: string, call: Call) {
    this.#catalog = catalog;
    this.#principal = principal;
    this.#call = call;
    const { frame } = call;
    const params = frame.value(frame.paramsAt, frame.paramsEnd) as {
      notifications?: Record<string, unknown>;
    };
    const asked = params.notifications ?? {};
    this.#kinds = WATCHED.filter(({ flag }) => asked[flag] === true).map((
      { kind },
    ) => kind);
    const uris = asked["resourceSubscriptions"];
    this.uris = Array.isArray(uris)
      ? uris.filter((uri) => typeof uri === "string")
      : [];
  }

  /** Begins to tell of changes. */
  begin(resources: readonly Watched[]): void {
    const { frame, exchange } = this.#call;
    const _meta = { [META.subscriptionId]: JSON.parse(frame.id) as unknown };
    const notifications = {
      ...Object.fromEntries(
        WATCHED.filter(({ kind }) => this.#kinds.includes(kind)).map((
          { flag },
        ) => [flag, true]),
      ),
      ...this.uris.length > 0
        ? { resourceSubscriptions: resources.map(({ shown }) => shown) }
        : {},
    };
    exchange.push(
      message.notification("notifications/subscriptions/acknowledged", {
        _meta,
        notifications,
      }),
    );
    const watcher: Watcher = (kind, audiences) => {
      const mine = this.#kinds.includes(kind) &&
        [...audiences].some((one) => one.opensTo(this.#principal));
      if (mine) {
        exchange.push(message.notification(LISTS[kind].changed, { _meta }));
      }
    };
    this.#catalog.watchers.add(watcher);
    this.#ended.signal.addEventListener(
      "abort",
      () => this.#catalog.watchers.delete(watcher),
    );
    for (const [source, own] of Map.groupBy(resources, (one) => one.source)) {
      void this.#subscribe(source, own.map(({ uri }) => uri));
    }
  }

  /** The client listens no more. */
  end(): void {
    this.#ended.abort();
  }

  // At one server, and again when that was started again, until the client has gone or the server has for good.
  async #subscribe(source: Source, uris: string[]): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted && this.#catalog.sources.includes(source)) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const refused = await this.#once(source, uris).catch(() => false);
      if (refused) return;
      // deno-lint-ignore no-await-in-loop -- likewise
      await pause(Math.max(LEAST_PAUSE, source.server.wait), signal);
    }
  }

  // Resolves when the subscription has ended: with `true` where the server does not want it.
  async #once(source: Source, uris: string[]): Promise<boolean> {
    const modern = await source.openModern(), { signal } = this.#ended;
    if (!modern) return true;
    if (signal.aborted) return false;
    const { promise: ended, resolve } = Promise.withResolvers<boolean>();
    const inner: Exchange = {
      push: (bytes) => this.#told(source, bytes),
      respond: (_, code) =>
        resolve(code !== 0 && modern.relay.closedReason === ""),
      refuse: () => resolve(true),
      cancelled: () => resolve(false),
    };
    const handle = modern.receiver.request(
      readFrame(this.#request(uris)),
      withAliases(inner, this.#catalog.aliases(source)),
    );
    const stop = () => modern.receiver.abandon(handle);
    signal.addEventListener("abort", stop);
    try {
      return await ended;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  #told(source: Source, bytes: Bytes): void {
    const { method } = readFrame(bytes);
    if (method === "notifications/subscriptions/acknowledged") return;
    if (source.opensTo(this.#principal)) this.#call.exchange.push(bytes);
  }

  // The relay takes the id of the frame for the client's, so the client's goes in as it is.
  #request(uris: string[]): Bytes {
    const { frame } = this.#call;
    const params = {
      notifications: { resourceSubscriptions: uris },
      _meta: frame.value(frame.metaAt, frame.metaEnd),
    };
    const own = readFrame(message.request(0, frame.method, params));
    return put(own.bytes, own.idAt, own.idEnd, frame.id);
  }
}
