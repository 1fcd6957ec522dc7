import type { Bytes, Frame } from "../mcp/frame.ts";
import { exchange as put, exchangeTwo as putTwo, raw } from "../mcp/splice.ts";
import type { Exchange } from "../wire/leg.ts";
import type { Client } from "./client.ts";

/** A request that waits for the server's response. */
export interface Pending {
  /** Its id towards the server. */
  readonly id: number;
  /** Whose it is. `undefined` for the relay's own requests. */
  readonly client: Client | undefined;
  /** The way back. */
  readonly exchange: Exchange;
  /** The client's id, as JSON text. */
  readonly clientId: string;
  /** The client's progress token as JSON text, or `""`. */
  readonly token: string;
  /** What was asked. */
  readonly frame: Frame;
  /** What was sent, for sending it again where that is safe. */
  readonly bytes: Bytes;
  /** Takes the response to a request of the relay's own, or why there is none. */
  readonly settle?: (answer: Frame | string) => void;
  /** When it was sent, or last gave a sign of life, in ms of the monotonic clock. Only kept where there is a limit. */
  since: number;
}

/** How long requests may go without response or progress, in ms; 0 for no limit. They may change. */
export interface Limits {
  /** Any request. */
  readonly timeoutMs?: number;
  /** `initialize`. */
  readonly startTimeoutMs?: number;
}

/** The requests of one relay that wait for a response, by their ids towards the server, oldest first. */
export class PendingTable {
  #table: Map<number, Pending> = new Map();
  #held: Set<Pending> = new Set();
  #next = 1;
  #limits: Limits;
  #onexpire: (pending: Pending, limit: number) => void;
  #clock: ReturnType<typeof setInterval> | undefined;

  /** Takes the limits, and what happens to a request that reaches one. */
  constructor(
    limits: Limits,
    onexpire: (pending: Pending, limit: number) => void,
  ) {
    this.#limits = limits;
    this.#onexpire = onexpire;
  }

  /** How many there are. */
  get size(): number {
    return this.#table.size;
  }

  /** How many of them have not been sent yet. */
  get held(): number {
    return this.#held.size;
  }

  /** The id of the only one there is, or `undefined`. */
  get only(): number | undefined {
    const [only] = this.#table.size === 1 ? this.#table.keys() : [];
    return only;
  }

  /** The one with this id. */
  get(id: number): Pending | undefined {
    return this.#table.get(id);
  }

  /** All of them, as they are now. */
  all(): Pending[] {
    return [...this.#table.values()];
  }

  /** All of them, oldest first. */
  values(): IterableIterator<Pending> {
    return this.#table.values();
  }

  /** Takes in a request, under an id that is used only once; its progress token becomes the same number. */
  add(
    frame: Frame,
    exchange: Exchange,
    client?: Client,
    settle?: (answer: Frame | string) => void,
  ): Pending {
    const id = this.#next++, tokened = frame.tokenAt >= 0 && client;
    const { bytes, idAt, idEnd, tokenAt, tokenEnd } = frame;
    const pending: Pending = {
      id,
      client,
      exchange,
      clientId: client ? frame.id : `${id}`,
      token: tokened ? raw(bytes, tokenAt, tokenEnd) : "",
      frame,
      bytes: tokened
        ? putTwo(bytes, idAt, idEnd, `${id}`, tokenAt, tokenEnd, `${id}`)
        : put(bytes, idAt, idEnd, `${id}`),
      since: 0,
      ...settle ? { settle } : {},
    };
    this.#table.set(id, pending);
    this.#watch(pending);
    return pending;
  }

  /** Takes one out; `true` where it had not been sent. */
  drop(pending: Pending): boolean {
    this.#table.delete(pending.id);
    pending.client?.running?.delete(pending.clientId);
    return this.#held.delete(pending);
  }

  /** Notes that one has not been sent yet. */
  hold(pending: Pending): void {
    this.#held.add(pending);
  }

  /** Whether one has not been sent yet. */
  isHeld(pending: Pending): boolean {
    return this.#held.has(pending);
  }

  /** Those that have not been sent yet; from now on they count as sent. */
  release(): Pending[] {
    const held = [...this.#held];
    this.#held.clear();
    return held;
  }

  /** Stops its clock. */
  stop(): void {
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  #watch(pending: Pending): void {
    const limit = this.#limitOf(pending);
    if (limit === 0) return;
    pending.since = performance.now();
    const often = Math.min(1000, Math.max(10, limit / 10));
    this.#clock ??= setInterval(() => this.#expire(), often);
  }

  #limitOf({ frame }: Pending): number {
    const { timeoutMs = 0, startTimeoutMs = 0 } = this.#limits;
    if (frame.method === "subscriptions/listen") return 0;
    if (frame.method === "initialize" && startTimeoutMs > 0) {
      return startTimeoutMs;
    }
    return timeoutMs;
  }

  #expire(): void {
    const now = performance.now();
    for (const pending of this.all()) {
      const limit = this.#limitOf(pending);
      if (limit > 0 && pending.since > 0 && now - pending.since >= limit) {
        this.#onexpire(pending, limit);
      }
    }
    if (this.size === 0) this.stop();
  }
}
