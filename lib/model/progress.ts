/** Least time between two notifications of one call, in ms. */
const INTERVAL = 250;
/** Longest time without one, in ms: clients give up after a minute, some earlier. */
const KEEP_ALIVE = 1000;
/** Parts of a token. Progress rises by one where nothing has come, for the protocol wants it to rise each time. */
const PARTS = 1000;

/**
 * Tells a caller how a call gets on: how many tokens have come, at most 4 times a second, and while none come each
 * second that the call is alive. The value always rises (MCP, progress).
 */
export class Progress {
  readonly #tell: (progress: number, message: string) => void;
  readonly #started = performance.now();
  readonly #timer: ReturnType<typeof setInterval>;
  #tokens = 0;
  #value = 0;
  #told = this.#started;

  /** Starts to tell. */
  constructor(tell: (progress: number, message: string) => void) {
    this.#tell = tell;
    this.#timer = setInterval(() => this.#tick(), INTERVAL);
  }

  /** Notes how many tokens have come. */
  tokens(count: number): void {
    this.#tokens = count;
    this.#tick();
  }

  /** Tells no more. */
  end(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now(), quiet = now - this.#told;
    const news = this.#tokens > this.#value;
    if (quiet < (news ? INTERVAL : KEEP_ALIVE)) return;
    this.#told = now;
    this.#value = news
      ? this.#tokens
      : Math.round(this.#value * PARTS + 1) / PARTS;
    const seconds = Math.round((now - this.#started) / 1000);
    const come = this.#tokens > 0
      ? `about ${this.#tokens} tokens`
      : "no token yet";
    this.#tell(this.#value, `${come} after ${seconds} s`);
  }
}
