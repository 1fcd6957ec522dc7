/**
 * Signals that ask the program to end.
 *
 * @module
 */

/** Where signals come from: `Deno`, or a test. */
export interface SignalSource {
  /** Calls `handler` at each `signal`. */
  addSignalListener(signal: Deno.Signal, handler: () => void): void;
  /** Stops that. */
  removeSignalListener(signal: Deno.Signal, handler: () => void): void;
}

/** The exit code of a program that a signal ended: 128 and the number of the signal. */
const CODE: Partial<Record<Deno.Signal, number>> = {
  SIGHUP: 129,
  SIGINT: 130,
  SIGBREAK: 130,
  SIGTERM: 143,
};

/** The signals that ask a program to end on this system. */
export function endingSignals(os: string = Deno.build.os): Deno.Signal[] {
  return os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM", "SIGHUP"];
}

/**
 * Aborts `shutdown` at the first signal, with the signal's name as the reason; calls `cut` with the exit code at the
 * second one. A SIGHUP that `hangup` takes, by giving `true`, is neither. Returns a function that ends the watch.
 */
export function watchSignals(
  shutdown: AbortController,
  cut: (code: number) => void,
  source: SignalSource = Deno,
  signals: readonly Deno.Signal[] = endingSignals(),
  hangup: () => boolean = () => false,
): () => void {
  const handlers = signals.map((signal): [Deno.Signal, () => void] => [
    signal,
    () => {
      if (signal === "SIGHUP" && hangup()) return;
      if (shutdown.signal.aborted) cut(CODE[signal] ?? 1);
      else shutdown.abort(signal);
    },
  ]);
  for (const [signal, handler] of handlers) {
    source.addSignalListener(signal, handler);
  }
  return () => {
    for (const [signal, handler] of handlers) {
      source.removeSignalListener(signal, handler);
    }
  };
}
