/** First wait, and longest one, in ms. */
const FIRST = 250, LONGEST = 30_000;

/** How long to wait before something that fails is tried again: twice as long each time, up to half a minute. */
export class Backoff {
  #failures = 0;
  #until = 0;

  /** How often it has failed in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** Ms until the next try may be made; 0 for at once. */
  get wait(): number {
    return Math.max(0, this.#until - performance.now());
  }

  /** It failed. */
  fail(): void {
    this.#until = performance.now() +
      Math.min(LONGEST, FIRST * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 16);
  }

  /** It works. */
  succeed(): void {
    this.#failures = 0;
    this.#until = 0;
  }
}
