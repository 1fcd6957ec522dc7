/**
 * The processes that are measured, and what `/proc` knows about them where there is one.
 *
 * @module
 */

/** Clock ticks of `/proc/PID/stat` in a second, on every Linux that Deno runs on. */
const TICKS = 100;

/** A process that is measured. */
export interface Measured {
  process: Deno.ChildProcess;
  /** When it was started, as `performance.now()`. */
  started: number;
  /** CPU time so far in seconds, without that of its children. */
  cpu(): number | undefined;
  /** Memory in kB. */
  rss(): number | undefined;
  /** Ends it. */
  stop(): Promise<void>;
}

/** Starts a process. Its stderr is not wanted. */
export function start(command: string[], stdio: boolean): Measured {
  const [file = "", ...args] = command;
  const started = performance.now();
  const process = new Deno.Command(file, {
    args,
    stdin: stdio ? "piped" : "null",
    stdout: stdio ? "piped" : "null",
    stderr: "null",
  }).spawn();
  const { pid } = process;
  return {
    process,
    started,
    cpu: () => cpu(pid),
    rss: () => rss(pid),
    async stop() {
      const kill = (signal: Deno.Signal) => {
        try {
          process.kill(signal);
        } catch { /* it has ended */ }
      };
      kill("SIGTERM");
      const timer = setTimeout(() => kill("SIGKILL"), 8000);
      await process.status;
      clearTimeout(timer);
    },
  };
}

function cpu(pid: number): number | undefined {
  const stat = proc(`${pid}/stat`);
  // The name in brackets may hold anything, blanks too.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function rss(pid: number): number | undefined {
  const kb = /^VmRSS:\s*(\d+)/m.exec(proc(`${pid}/status`) ?? "")?.[1];
  return kb === undefined ? undefined : Number(kb);
}

function proc(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${path}`);
  } catch {
    return undefined;
  }
}

/** A port that nobody listens on. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** Rejects where something takes longer than it ever should. */
export async function within<T>(
  seconds: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`${what} took more than ${seconds} s`);
    timer = setTimeout(() => reject(error), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
