/** The time that a request has, and the one signal that ends it: when the time is over, or when its caller has gone. */
export class Deadline {
  /** Whether the time is over. */
  over = false;
  readonly #ms: number;
  readonly #caller: AbortSignal;
  readonly #stop = new AbortController();
  readonly #leave: () => void;
  #at: number;
  #timer: ReturnType<typeof setTimeout>;

  /** Starts the clock: `ms` from now. */
  constructor(ms: number, caller: AbortSignal) {
    this.#ms = ms;
    this.#caller = caller;
    this.#at = performance.now() + ms;
    this.#timer = setTimeout(() => this.#tick(), ms);
    this.#leave = () => this.#stop.abort(caller.reason);
    caller.addEventListener("abort", this.#leave);
    if (caller.aborted) this.#leave();
  }

  /** Aborted when the time is over, or when the caller has gone. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** What is left, in ms. */
  get left(): number {
    return this.#at - performance.now();
  }

  /** Starts the clock anew. */
  renew(): void {
    this.#at = performance.now() + this.#ms;
  }

  /** Stops the clock; nothing is aborted any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#leave);
  }

  // Renewing must cost nothing, so it sets no timer: the one that runs looks again when it fires.
  #tick(): void {
    const { left } = this;
    if (left > 0) this.#timer = setTimeout(() => this.#tick(), left);
    else {
      this.over = true;
      this.#stop.abort();
    }
  }
}
