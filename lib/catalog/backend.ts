import { type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import { META } from "../mcp/eras.ts";
import type { Server } from "../upstream/server.ts";
import type { Backend } from "../wire/http_server.ts";
import type { ClientLeg, Exchange, Receiver } from "../wire/leg.ts";
import type { ModernBackend, ModernServer } from "../wire/modern_server.ts";
import type { Catalog } from "./catalog.ts";
import { type Allows, filtered, filteredModern } from "./filtered.ts";
import { KINDS, LISTS } from "./lists.ts";
import { through } from "./rewrite.ts";
import { ModernView } from "./modern_view.ts";
import { CatalogSession } from "./session.ts";

/** How many tokens have views of their own; the one that was used longest ago goes. */
const MAX_VIEWS = 256;

/** What is behind the combined endpoint: all servers as one. */
export class CatalogBackend implements Backend, ModernBackend {
  #catalog: Catalog;
  #views: Map<string, ModernView> = new Map();

  /** Takes the servers. */
  constructor(catalog: Catalog) {
    this.#catalog = catalog;
  }

  /** Joins a client with a session of its own. */
  session(leg: ClientLeg, principal: string): Promise<Receiver> {
    return Promise.resolve(new CatalogSession(this.#catalog, leg, principal));
  }

  /** The combined endpoint has no legacy clients without sessions. */
  shared(): Promise<Receiver> {
    return Promise.reject(
      new Error("Sessions are needed here: send initialize first"),
    );
  }

  /** What modern callers with one token see; `undefined` where all of it speaks only legacy versions. */
  async modern(principal: string): Promise<ModernServer | undefined> {
    const view = this.#views.get(principal) ??
      new ModernView(this.#catalog, principal);
    this.#views.delete(principal);
    this.#views.set(principal, view);
    for (const [oldest, one] of this.#views) {
      if (this.#views.size <= MAX_VIEWS) break;
      this.#views.delete(oldest);
      one.end();
    }
    return await view.any() ? view : undefined;
  }
}

/** A modern client that listens for changes of lists. */
interface Listener {
  frame: Frame;
  exchange: Exchange;
}

/** What is behind one server's endpoint: the server, without the tools that its filter leaves out. */
export class FilteredBackend implements Backend, ModernBackend {
  #server: Server;
  #allows: () => Allows;
  #modern: { server: ModernServer; filtered: ModernServer } | undefined;
  #legs: Set<ClientLeg> = new Set();
  #listeners: Set<Listener> = new Set();

  /** Takes the server, and what tells which of its tools there are. */
  constructor(server: Server, allows: () => Allows) {
    this.#server = server;
    this.#allows = allows;
  }

  /** Tells all clients that the lists may be others now, though the server has said nothing. */
  changed(): void {
    for (const kind of KINDS) {
      if (kind === "resourceTemplates") continue;
      const method = LISTS[kind].changed;
      for (const leg of this.#legs) leg.push(message.notification(method));
      for (const { frame, exchange } of this.#listeners) {
        if (!wants(frame, `${kind}ListChanged`)) continue;
        const id: unknown = JSON.parse(frame.id);
        const _meta = { [META.subscriptionId]: id };
        exchange.push(message.notification(method, { _meta }));
      }
    }
  }

  /** Joins a client with a session of its own. */
  async session(leg: ClientLeg): Promise<Receiver> {
    const receiver = filtered(await this.#server.session(leg), this.#allows);
    this.#legs.add(leg);
    return {
      ...receiver,
      leave: () => {
        this.#legs.delete(leg);
        receiver.leave();
      },
    };
  }

  /** Where messages of clients without a session go. */
  async shared(): Promise<Receiver> {
    return filtered(await this.#server.shared(), this.#allows);
  }

  /** The modern server; `undefined` where it speaks only legacy versions. */
  async modern(): Promise<ModernServer | undefined> {
    const server = await this.#server.modern();
    if (!server) return undefined;
    if (this.#modern?.server !== server) {
      const plain = filteredModern(server, this.#allows);
      const receiver = this.#listened(plain.receiver);
      this.#modern = { server, filtered: { ...plain, receiver } };
    }
    return this.#modern.filtered;
  }

  #listened(receiver: Receiver): Receiver {
    const byHandle = new Map<number, Listener>();
    return {
      ...receiver,
      request: (frame, exchange) => {
        if (frame.method !== "subscriptions/listen") {
          return receiver.request(frame, exchange);
        }
        const listener = { frame: readFrame(frame.bytes.slice()), exchange };
        let handle = 0;
        handle = receiver.request(frame, {
          ...through(exchange),
          respond: (bytes, code) => {
            this.#listeners.delete(listener);
            byHandle.delete(handle);
            exchange.respond(bytes, code);
          },
        });
        if (handle !== 0) {
          this.#listeners.add(listener);
          byHandle.set(handle, listener);
        }
        return handle;
      },
      abandon: (handle) => {
        const listener = byHandle.get(handle);
        if (listener) this.#listeners.delete(listener);
        byHandle.delete(handle);
        receiver.abandon(handle);
      },
    };
  }
}

function wants(frame: Frame, flag: string): boolean {
  const params = frame.value(frame.paramsAt, frame.paramsEnd) as {
    notifications?: Record<string, unknown>;
  };
  return params.notifications?.[flag] === true;
}
