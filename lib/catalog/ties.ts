import { type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import type { Client } from "../relay/client.ts";
import type { Relay } from "../relay/relay.ts";
import type { Exchange } from "../wire/leg.ts";
import { pause } from "../wire/pause.ts";
import type { Source } from "./source.ts";

/** Capabilities of clients that a server may ask something: such a client has a process for itself. */
const ASKABLE = ["sampling", "elicitation", "roots"];
/** How many subscriptions of one client are told again to a server that was started again. */
const MAX_SUBSCRIPTIONS = 4096;
/** Longest wait before a server is opened again for its subscriptions, in ms. */
const LONGEST = 30_000;

const nobody: Exchange = {
  push() {},
  respond() {},
  refuse() {},
  cancelled() {},
};

/**
 * A legacy client's ties to servers: to each the shared relay, or one of its own for a client that can be asked
 * something, because only then it is certain whom a server asks. Each is made when it is needed for the first time, and
 * again when its server is gone.
 */
export class Ties {
  #client: Client;
  #params: Record<string, unknown> = {};
  #relays: Map<Source, Relay> = new Map();
  #opening: Map<Source, Promise<Relay>> = new Map();
  #subscriptions: Map<Source, Set<string>> = new Map();
  #reopening: Set<Source> = new Set();
  #ended = new AbortController();
  #said = 0;

  /** Takes the client. */
  constructor(client: Client) {
    this.#client = client;
  }

  /** The relays that are open. */
  get relays(): Iterable<Relay> {
    return this.#relays.values();
  }

  /** Takes the `params` of the client's `initialize`. */
  introduce(params: Record<string, unknown>): void {
    this.#params = params;
  }

  /** Whether the client shares a server's process with others. */
  shares(source: Source): boolean {
    const { isolation } = source.server.spec;
    if (isolation !== undefined) return isolation === "shared";
    // A server that sees who asks must not take one client for another.
    if (source.personal) return false;
    return !ASKABLE.some((name) =>
      this.#client.capabilities[name] !== undefined
    );
  }

  /** The relay to a server, where it is open. */
  relay(source: Source): Relay | undefined {
    const relay = this.#relays.get(source);
    return relay?.closedReason === "" ? relay : undefined;
  }

  /** Whose a relay is. */
  sourceOf(relay: Relay): Source | undefined {
    for (const [source, one] of this.#relays) if (one === relay) return source;
    return undefined;
  }

  /** The relay to a server, which is opened where it is not. Rejects with an error for people. */
  open(source: Source, headers?: Headers): Promise<Relay> {
    const open = this.relay(source);
    if (open) return Promise.resolve(open);
    let opening = this.#opening.get(source);
    if (!opening) {
      opening = this.#open(source, headers).finally(() =>
        this.#opening.delete(source)
      );
      this.#opening.set(source, opening);
    }
    return opening;
  }

  /** Notes that the client is subscribed; `frame` is its request as the server got it. */
  subscribe(source: Source, frame: Frame): void {
    const uris = this.#subscriptions.get(source) ?? new Set();
    if (uris.size >= MAX_SUBSCRIPTIONS) return;
    uris.add(frame.string(frame.uriAt, frame.uriEnd));
    this.#subscriptions.set(source, uris);
  }

  /** Notes that it no longer is. */
  unsubscribe(source: Source, frame: Frame): void {
    const uri = frame.string(frame.uriAt, frame.uriEnd);
    this.#subscriptions.get(source)?.delete(uri);
  }

  /** Tells the client's log level to the servers that are open. */
  tellLevel(): void {
    for (const [source, relay] of this.#relays) this.#tellLevel(source, relay);
  }

  /** Forgets a server that is gone for good. */
  drop(source: Source): void {
    this.#relays.delete(source);
    this.#subscriptions.delete(source);
  }

  /** The client has gone. */
  end(): void {
    this.#ended.abort();
    for (const relay of this.#relays.values()) this.#part(relay);
    this.#relays.clear();
    this.#subscriptions.clear();
  }

  async #open(source: Source, headers?: Headers): Promise<Relay> {
    const { server } = source, client = this.#client;
    let relay: Relay;
    if (!this.shares(source)) {
      relay = await server.openFor(
        client,
        this.#params,
        headers,
        () => void this.#reopen(source),
      );
      source.learn(await relay.hello(this.#params));
    } else {
      if (!source.up) throw cannotOpen(source);
      relay = await server.openShared();
      if (relay.closedReason !== "") throw cannotOpen(source);
      relay.admit(client);
    }
    if (this.#ended.signal.aborted) {
      this.#part(relay);
      throw new Error("The session has ended");
    }
    const before = this.#relays.get(source);
    this.#relays.set(source, relay);
    this.#tellLevel(source, relay);
    if (relay.options.exclusive && before !== relay) {
      for (const uri of this.#subscriptions.get(source) ?? []) {
        this.#say(relay, "resources/subscribe", { uri });
      }
    }
    return relay;
  }

  // Whoever is subscribed may have nothing to ask, and waits all the same.
  async #reopen(source: Source): Promise<void> {
    const { signal } = this.#ended;
    // Each try that fails ends a relay too.
    if (this.#reopening.has(source)) return;
    this.#reopening.add(source);
    for (let attempt = 0; !signal.aborted; attempt++) {
      const wanted = (this.#subscriptions.get(source)?.size ?? 0) > 0;
      if (!wanted || this.relay(source) || source.server.state === "closed") {
        break;
      }
      try {
        await this.open(source);
      } catch {
        await pause(Math.min(LONGEST, 250 * 2 ** attempt), signal);
      }
    }
    this.#reopening.delete(source);
  }

  #tellLevel(source: Source, relay: Relay): void {
    const { level } = this.#client;
    if (level === "" || !source.legacy?.capabilities["logging"]) return;
    this.#say(relay, "logging/setLevel", { level });
  }

  // In the client's name, under an id that is none of its own.
  #say(relay: Relay, method: string, params: unknown): void {
    const id = `mcp-proxy ${++this.#said}`;
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params });
    relay.request(this.#client, readFrame(message.encode(text)), nobody);
  }

  #part(relay: Relay): void {
    relay.leave(this.#client);
    if (relay.options.exclusive) void relay.close("was left by its client");
  }
}

function cannotOpen({ server, name }: Source): Error {
  return new Error(
    server.lastError || `Server "${name}" is not there yet`,
  );
}
