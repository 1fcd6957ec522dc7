import { pause } from "./pause.ts";

/** How long a message may hold up those behind it, in ms. */
const MAX_HOLD = 10_000;
/** How many messages may wait. */
const MAX_WAITING = 4096;

/**
 * The order in which notifications and responses of a client are posted: one after the other, for over HTTP each goes its
 * own way. Requests pass them, but not `notifications/initialized`.
 */
export class Outbox {
  /** Resolves when requests may go out; `undefined` where they may at once. */
  gate: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  /** Posts a message when those before it have been taken. `false` where too many wait already. */
  add(
    post: (signal: AbortSignal) => Promise<void>,
    holdsRequests: boolean,
  ): boolean {
    if (this.#waiting >= MAX_WAITING) return false;
    this.#waiting++;
    const turn = this.#last.then(() => this.#post(post)).finally(() => {
      this.#waiting--;
      if (this.gate === turn) this.gate = undefined;
    });
    this.#last = turn;
    if (holdsRequests) this.gate = turn;
    return true;
  }

  /** Resolves when all that was added has been posted, or has had its time. */
  drained(): Promise<void> {
    return this.#last;
  }

  async #post(post: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const stop = new AbortController();
    // A server that is slow to take one message must not keep the others waiting for ever.
    await Promise.race([post(stop.signal), pause(MAX_HOLD, stop.signal)])
      .finally(() => stop.abort());
  }
}
