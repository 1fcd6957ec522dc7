import { log } from "../log.ts";
import type { Bytes, Frame } from "../mcp/frame.ts";
import { exchange as put, raw } from "../mcp/splice.ts";
import type { ClientLeg } from "../wire/leg.ts";
import type { Relay } from "./relay.ts";

/** A request of a server's that waits for this client's answer. */
export interface Ask {
  /** Who wants the answer. */
  relay: Relay;
  /** The server's own id, as JSON text. */
  id: string;
  /** The progress token that the server gave, as JSON text, or `""`. */
  token: string;
}

/** A request of this client's that runs somewhere. */
export interface Running {
  /** Where it runs. */
  relay: Relay;
  /** Its id there. */
  id: number;
}

/**
 * Looks at what a server says that belongs to no request of the client's: gives what the client is to be told, or nothing
 * where it is not for it.
 */
export type Hearing = (
  relay: Relay,
  frame: Frame,
  bytes: Bytes,
) => Bytes | undefined;

/** How many requests of servers may wait for one client's answer. */
const MAX_ASKS = 1024;

/** What the relays remember of one client. A client may be joined to one relay, or in `aggregate` to many. */
export class Client {
  /** The way to it. */
  readonly leg: ClientLeg;
  /** What it runs, by its own id as JSON text. `undefined` for callers without a session: their ids may collide. */
  readonly running: Map<string, Running> | undefined;
  /** What servers asked it, by the ids that this client was given. */
  readonly asks: Map<number, Ask> = new Map();
  /** Its capabilities, from `initialize`. */
  capabilities: Record<string, unknown> = {};
  /** The protocol version that it and the server agreed on, from the answer to `initialize`. */
  version = "";
  /** The log level that it set, or `""`. */
  level = "";
  #nextAsk = 1;
  #hears: Hearing | undefined;

  /**
   * Takes the way to the client, and whether it is a session, in which ids are unique. `hears` is asked before it is told
   * anything that belongs to no request of its own.
   */
  constructor(leg: ClientLeg, session: boolean, hears?: Hearing) {
    this.leg = leg;
    this.#hears = hears;
    this.running = session ? new Map() : undefined;
  }

  /** Tells it what belongs to no request of its own; `frame` is what the bytes were made from. */
  push(relay: Relay, frame: Frame, bytes: Bytes): void {
    const told = this.#hears ? this.#hears(relay, frame, bytes) : bytes;
    if (told) this.leg.push(told);
  }

  /** Takes in a server's request; the id for it towards this client, or 0 where too many wait already. */
  ask(ask: Ask): number {
    if (this.asks.size >= MAX_ASKS) return 0;
    const id = this.#nextAsk++;
    this.asks.set(id, ask);
    return id;
  }

  /** The ask that a message of the client is about, by the JSON text of the id that the client was given. */
  asked(id: string): Ask | undefined {
    return this.asks.get(Number(id));
  }

  /** Notes what the client said of itself in `initialize`. */
  introduce(frame: Frame): void {
    const params = frame.value(frame.paramsAt, frame.paramsEnd) as {
      capabilities?: unknown;
    } | undefined;
    if (
      typeof params?.capabilities === "object" && params.capabilities !== null
    ) {
      this.capabilities = params.capabilities as Record<string, unknown>;
    }
  }
}

/** Takes a client's cancellation of a request that runs at some server. */
export function cancelled(client: Client, frame: Frame): void {
  const running = client.running?.get(
    raw(frame.bytes, frame.requestIdAt, frame.requestIdEnd),
  );
  running?.relay.cancel(running.id, frame);
}

/** Takes a client's word on how far it is with a request of some server's. */
export function progressed(client: Client, frame: Frame): void {
  const ask = client.asked(
    raw(frame.bytes, frame.progressAt, frame.progressEnd),
  );
  if (!ask || ask.token === "") return;
  ask.relay.tell(
    put(frame.bytes, frame.progressAt, frame.progressEnd, ask.token),
    frame,
  );
}

/** Takes a client's response to a request of some server's. */
export function answer(client: Client, frame: Frame): void {
  const ask = client.asked(frame.id);
  if (ask) ask.relay.answer(client, frame);
  else log.debug("A client answered a request that nobody made");
}
