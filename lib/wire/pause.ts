/** Resolves after `ms` milliseconds, or at once when `signal` is aborted; leaves no timer behind. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

/** Waits of 0.1, 0.2, 0.4 … seconds, none longer than `mostMs`. */
export function backOff(attempt: number, mostMs: number): number {
  return Math.min(mostMs, 100 * 2 ** attempt);
}
