import type { Bytes } from "../mcp/frame.ts";
import type { Listing, ListKind } from "./lists.ts";

/** How long, in ms, a list is waited for, counted from when it was asked for: whoever comes later waits less. */
export const GRACE = 3000;
/** A server that does not tell of changes is asked again when its list is older than this, in ms. */
const FRESH = 10_000;
/** How many kinds of clients have lists of their own. */
const MAX_ENTRIES = 256;

interface Entry {
  kind: ListKind;
  known?: Listing;
  /** What is known is no longer so. */
  stale: boolean;
  /** When it came. */
  at: number;
  asking?: Promise<Listing>;
  /** When it was asked for. */
  began: number;
  /** Somebody was given something else meanwhile, and is to be told. */
  late: boolean;
}

/** Which list is wanted, and for whom. */
export interface Wanted {
  /** Which list. */
  readonly kind: ListKind;
  /** Whose lists are the same has the same text here. */
  readonly audience: string;
  /** The server tells of changes, or has said that there are none for so many ms. */
  readonly freshMs?: number;
  /** An audience whose list is better than none. */
  readonly instead?: string;
}

/** The lists of one server, as it said them last. */
export class ListCache {
  #entries: Map<string, Entry> = new Map();
  #onchange: (kind: ListKind) => void;

  /** `onchange` hears of lists that came late, or came to be others without a word of the server's. */
  constructor(onchange: (kind: ListKind) => void) {
    this.#onchange = onchange;
  }

  /** A list as it is known, for whoever it was. */
  known(kind: ListKind): Listing | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.kind === kind && entry.known) return entry.known;
    }
    return undefined;
  }

  /**
   * A list: at once where it is known; else what came within the time for it, and `undefined` where nothing did. Rejects
   * where the server refuses.
   */
  async get(
    wanted: Wanted,
    ask: () => Promise<Listing>,
  ): Promise<Listing | undefined> {
    const entry = this.#entry(wanted);
    const old = performance.now() - entry.at > (wanted.freshMs ?? FRESH);
    if (!entry.asking && (!entry.known || entry.stale || old)) {
      this.#ask(entry, ask);
    }
    if (entry.known && !entry.stale || !entry.asking) return entry.known;
    const came = await by(entry.asking, entry.began + GRACE).catch((cause) => {
      if (entry.known) return entry.known;
      throw cause;
    });
    if (came) return came;
    entry.late = true;
    return entry.known ??
      this.#entries.get(keyOf(wanted.kind, wanted.instead))?.known;
  }

  /** What is known of a list is no longer so. */
  forget(kind: ListKind): void {
    for (const entry of this.#entries.values()) {
      if (entry.kind !== kind) continue;
      entry.stale = true;
      // It may have been answered before the change.
      delete entry.asking;
    }
  }

  #entry({ kind, audience }: Wanted): Entry {
    const key = keyOf(kind, audience);
    const entry = this.#entries.get(key) ??
      { kind, stale: false, at: 0, began: 0, late: false };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    return entry;
  }

  #ask(entry: Entry, ask: () => Promise<Listing>): void {
    const asking = entry.asking = ask();
    entry.began = performance.now();
    asking.then((listing) => {
      if (entry.asking !== asking) return;
      delete entry.asking;
      const news = entry.late ||
        !entry.stale && entry.known && !same(entry.known, listing);
      entry.known = listing;
      entry.at = performance.now();
      entry.stale = entry.late = false;
      if (news) this.#onchange(entry.kind);
    }, () => {
      if (entry.asking === asking) delete entry.asking;
    });
  }
}

function keyOf(kind: ListKind, audience = ""): string {
  return `${kind} ${audience}`;
}

function same(a: Listing, b: Listing): boolean {
  return a.items.length === b.items.length &&
    a.items.every(({ bytes }, index) => equal(bytes, b.items[index]?.bytes));
}

function equal(a: Bytes, b: Bytes | undefined): boolean {
  return a.length === b?.length && a.every((byte, index) => byte === b[index]);
}

/** What a promise gives, or `undefined` where it has not until then, in ms of the monotonic clock. */
export async function by<T>(
  promise: Promise<T>,
  deadline: number,
): Promise<T | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const ms = Math.max(0, deadline - performance.now());
  const timer = setTimeout(resolve, ms, undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
