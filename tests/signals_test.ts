import { assertEquals } from "@std/assert";
import { endingSignals, watchSignals } from "../lib/signals.ts";

class Source {
  readonly handlers = new Map<Deno.Signal, () => void>();
  addSignalListener(signal: Deno.Signal, handler: () => void): void {
    this.handlers.set(signal, handler);
  }
  removeSignalListener(signal: Deno.Signal, handler: () => void): void {
    if (this.handlers.get(signal) === handler) this.handlers.delete(signal);
  }
  send(signal: Deno.Signal): void {
    this.handlers.get(signal)?.();
  }
}

function watch(): {
  source: Source;
  shutdown: AbortController;
  codes: number[];
  end: () => void;
} {
  const source = new Source();
  const shutdown = new AbortController();
  const codes: number[] = [];
  const end = watchSignals(shutdown, (code) => codes.push(code), source, [
    "SIGINT",
    "SIGTERM",
    "SIGHUP",
  ]);
  return { source, shutdown, codes, end };
}

Deno.test("the first signal asks for an orderly end", () => {
  const { source, shutdown, codes } = watch();
  source.send("SIGTERM");
  assertEquals(shutdown.signal.aborted, true);
  assertEquals(shutdown.signal.reason, "SIGTERM");
  assertEquals(codes, []);
});

Deno.test("the second signal ends at once, with the code of its kind", () => {
  for (
    const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], [
      "SIGHUP",
      129,
    ]] as const
  ) {
    const { source, codes } = watch();
    source.send("SIGINT");
    source.send(signal);
    assertEquals(codes, [code]);
  }
});

Deno.test("after the end of the watch signals are the system's again", () => {
  const { source, end } = watch();
  end();
  assertEquals(source.handlers.size, 0);
});

Deno.test("each system has its own signals", () => {
  assertEquals(endingSignals("windows"), ["SIGINT", "SIGBREAK"]);
  assertEquals(endingSignals("linux"), ["SIGINT", "SIGTERM", "SIGHUP"]);
});
