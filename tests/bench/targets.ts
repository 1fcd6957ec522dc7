/**
 * What is measured: the program, and beside it the bare relay that does the same work.
 *
 * @module
 */
import { program } from "../program.ts";
import {
  type Caller,
  type CallerOptions,
  httpCaller,
  sseCaller,
  stdioCaller,
} from "./callers.ts";
import { freePort, type Measured, start, within } from "./processes.ts";

/** A way that calls can take. */
export type Way = "http" | "sse" | "bridge-json" | "bridge-stream";
/** Whose work is measured. */
export type Who = "bare" | "ours";

/** A target that runs and has a client. */
export interface Target {
  /** What is measured. */
  measured: Measured;
  /** Its client. */
  caller: Caller;
  /** From the start of the process to its first answer, in ms. */
  firstAnswer: number;
  /** Ends everything. */
  stop(): Promise<void>;
}

/** The words that start a script beside this file. */
export function script(name: string, ...args: string[]): string[] {
  const path = `${import.meta.dirname}/${name}`;
  return [Deno.execPath(), "run", "-A", "--no-check", "--quiet", path, ...args];
}

/** Starts `serve` or what stands for it, with `echo` behind it. */
export function startServing(
  who: Who,
  port: number,
  flags: string[] = [],
): Measured {
  const child = script("echo_child.ts");
  const command = who === "bare"
    ? script("bare_relay.ts", `${port}`, ...child)
    : [...program(), "serve", "--port", `${port}`, ...flags, "--", ...child];
  return start(command, false);
}

/** Waits until something listens on a port. */
export async function listening(port: number): Promise<void> {
  const until = performance.now() + 20_000;
  while (true) {
    try {
      const socket = await Deno.connect({ hostname: "127.0.0.1", port });
      socket.close();
      return;
    } catch (cause) {
      if (performance.now() > until) throw cause;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

/** Starts one side of one way, and its client. */
export async function startTarget(
  way: Way,
  who: Who,
  options: CallerOptions,
): Promise<Target> {
  if (way === "http" || way === "sse") {
    const port = freePort();
    const measured = startServing(who, port);
    try {
      await listening(port);
      const open = way === "http" ? httpCaller : sseCaller;
      const caller = await within(15, "Opening", open(port, options));
      return target(measured, caller);
    } catch (cause) {
      await measured.stop();
      throw cause;
    }
  }
  const port = freePort();
  const remote = start(script("echo_server.ts", `${port}`), false);
  await listening(port);
  const path = way === "bridge-json" ? "json" : "stream";
  const url = `http://127.0.0.1:${port}/${path}`;
  const command = who === "bare"
    ? script("bare_bridge.ts", url)
    : [...program(), "bridge", url];
  const measured = start(command, true);
  try {
    const caller = await within(
      15,
      "Opening",
      stdioCaller(measured.process, options),
    );
    return target(measured, caller, remote);
  } catch (cause) {
    await Promise.all([measured.stop(), remote.stop()]);
    throw cause;
  }
}

function target(
  measured: Measured,
  caller: Caller,
  remote?: Measured,
): Target {
  return {
    measured,
    caller,
    firstAnswer: performance.now() - measured.started,
    async stop() {
      caller.close();
      await measured.stop();
      await remote?.stop();
    },
  };
}
