/**
 * A local server as a child process that speaks over its stdin and stdout (MCP, transports: stdio). Each child leads a
 * process group of its own, so that whatever it starts ends with it.
 *
 * @module
 */
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { isBatch, readBatch } from "../mcp/parts.ts";
import { oneLine } from "../mcp/splice.ts";
import { log, mask } from "../log.ts";
import type { UpstreamEvents, UpstreamLeg } from "./leg.ts";
import { Lines, MAX_LINE } from "./lines.ts";

/** How to start a child. */
export interface ChildOptions {
  /** The server's name, for messages to people. */
  name: string;
  /** The program, looked up in the `PATH` of `env`. */
  command: string;
  /** Its arguments. */
  args: string[];
  /** Its whole environment. */
  env: Record<string, string>;
  /** Its working directory; ours where it is left out. */
  cwd?: string;
}

/** What may wait for a child that does not read, in bytes. */
const MAX_UNWRITTEN = 64 * 1024 * 1024;
/** Messages that are written one by one while the child says nothing. */
const FEW = 1;
/** How long a child may take to end after its stdin was closed, and after SIGTERM, in ms. */
const POLITE = 1500, FIRM = 1500;
/** How long what a child wrote before its end may take to arrive while something of its group holds the pipe, in ms. */
const DRAIN = 300;
/** Lines of junk on stdout that are logged; further ones are only counted. */
const MAX_JUNK_LOGGED = 5;

const windows = Deno.build.os === "windows";

/** Children that run. However the program ends, they do not outlive it. */
const running = new Set<Child>();
addEventListener("unload", () => {
  for (const child of running) child.kill();
});

const nobody: UpstreamEvents = {
  receive() {},
  failed() {},
  lost() {},
  closed() {},
};

/** A running child. */
export class Child implements UpstreamLeg {
  /** Who is told what it says. A child that is kept warm has nobody yet. */
  events: UpstreamEvents = nobody;
  /** Resolves when it has ended and everything that it said has been passed on. Never rejects. */
  readonly ended: Promise<void>;
  /** Why it ended, or `""` while it runs. */
  reason = "";

  #name: string;
  #process: Deno.ChildProcess;
  #writer: WritableStreamDefaultWriter<Uint8Array>;
  #queue: Bytes[] = [];
  #unwritten = 0;
  #writing = false;
  #sent = 0;
  #junk = 0;
  #words = "";
  #closing: Promise<void> | undefined;

  /** Starts the child. Throws an error for people where that is not possible. */
  constructor(options: ChildOptions) {
    this.#name = options.name;
    try {
      this.#process = new Deno.Command(options.command, {
        args: options.args,
        env: options.env,
        clearEnv: true,
        ...options.cwd === undefined ? {} : { cwd: options.cwd },
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
        ...windows ? {} : { detached: true },
      }).spawn();
    } catch (cause) {
      throw new Error(cannotStart(options, cause), { cause });
    }
    this.#writer = this.#process.stdin.getWriter();
    // A pipe that breaks is told by the end of the process, not here.
    this.#writer.closed.catch(() => {});
    running.add(this);
    const out = this.#read();
    const err = this.#drain();
    this.ended = this.#end(out, err);
  }

  /** The process id. */
  get pid(): number {
    return this.#process.pid;
  }

  /** The last line that it wrote to stderr, without secrets. */
  get lastWords(): string {
    return this.#words;
  }

  /** Sends a message. */
  send(bytes: Bytes, _frame: Frame, id: number): void {
    if (this.reason !== "") return;
    if (this.#unwritten > MAX_UNWRITTEN) {
      if (id > 0) {
        this.events.failed(
          id,
          `Server "${this.#name}" does not read what it is sent`,
        );
      }
      return;
    }
    this.#put(bytes);
  }

  /** Tells it that a response is no longer wanted. */
  cancel(_id: number, bytes: Bytes): void {
    this.#put(bytes);
  }

  /** Ends it: closes its stdin, then asks, then kills its whole group. Resolves when nothing of it is left. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** Kills its whole group, and does not wait. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  #put(bytes: Bytes): void {
    this.#queue.push(oneLine(bytes));
    this.#unwritten += bytes.length;
    if (this.#writing) return;
    this.#writing = true;
    // A write costs more than all the rest of a call. Where others are under way, more may come in the same turn, and
    // one write does for all; a message that is alone goes at once.
    if (++this.#sent > FEW) setImmediate(() => this.#write());
    else this.#write();
  }

  async #write(): Promise<void> {
    try {
      while (this.#queue.length > 0) {
        const queue = this.#queue;
        this.#queue = [];
        let size = 0;
        for (const bytes of queue) size += bytes.length + 1;
        const all = new Uint8Array(size);
        let at = 0;
        for (const bytes of queue) {
          all.set(bytes, at);
          at += bytes.length;
          all[at++] = 10;
        }
        await this.#writer.write(all);
        this.#unwritten -= size - queue.length;
      }
    } catch {
      // Nobody reads any more: the end of the process tells who waits, and it has to come.
      this.#queue = [];
      if (this.reason === "") void this.close();
    }
    this.#writing = false;
  }

  async #read(): Promise<void> {
    const overflow = () => {
      log.error(
        `Server "${this.#name}" wrote a line of more than ${MAX_LINE} bytes and is ended`,
      );
      this.close();
    };
    const lines = new Lines(MAX_LINE, (line) => this.#line(line), overflow);
    try {
      // One buffer for all reads: a new one for each would be most of the garbage that a call makes.
      const reader = this.#process.stdout.getReader({ mode: "byob" });
      let buffer = new ArrayBuffer(65536);
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(buffer));
        if (done) break;
        lines.push(value);
        buffer = value.buffer;
      }
      lines.end();
    } catch { /* the pipe broke: the process has ended */ }
  }

  #line(line: Bytes): void {
    let frames: Frame[];
    try {
      frames = isBatch(line)
        ? readBatch(line).map((part) => readFrame(part))
        : [readFrame(line)];
    } catch {
      if (++this.#junk <= MAX_JUNK_LOGGED) {
        const text = new TextDecoder().decode(line.subarray(0, 200));
        const last = this.#junk === MAX_JUNK_LOGGED
          ? "; further ones are not logged"
          : "";
        log.warn(
          `Server "${this.#name}" wrote a line to stdout that is no message${last}: ${text}`,
        );
      }
      return;
    }
    this.#sent = 0;
    for (const frame of frames) this.events.receive(frame, 0);
  }

  async #drain(): Promise<void> {
    const decoder = new TextDecoder();
    const lines = new Lines(65536, (line) => {
      const text = mask(decoder.decode(line));
      this.#words = text.slice(0, 500);
      log.info(`[${this.#name}] ${text}`);
    }, () => {});
    try {
      for await (const chunk of this.#process.stderr) lines.push(chunk);
      lines.end();
    } catch { /* as above */ }
  }

  async #end(out: Promise<void>, err: Promise<void>): Promise<void> {
    const status = await this.#process.status;
    // What it wrote before it ended still counts, unless a process that it left behind holds the pipe.
    const drained = Promise.all([out, err]);
    await within(drained, DRAIN);
    this.#signal("SIGKILL");
    await within(drained, DRAIN);
    this.reason = status.signal
      ? `was ended by ${status.signal}`
      : `exited with code ${status.code}`;
    this.#writer.abort().catch(() => {});
    running.delete(this);
    this.events.closed(this.reason);
  }

  async #close(): Promise<void> {
    // Closing waits for what is being written, which a child that does not read never lets end.
    this.#writer.close().catch(() => {});
    if (await within(this.ended, POLITE)) return;
    this.#signal("SIGTERM");
    if (await within(this.ended, FIRM)) return;
    this.#signal("SIGKILL");
    await this.ended;
  }

  // The whole group, which is still there when its leader has ended.
  #signal(signal: Deno.Signal): void {
    try {
      if (!windows) Deno.kill(-this.pid, signal);
      else if (this.reason === "") {
        const args = [
          "/PID",
          `${this.pid}`,
          "/T",
          ...signal === "SIGKILL" ? ["/F"] : [],
        ];
        new Deno.Command("taskkill", { args, stdout: "null", stderr: "null" })
          .spawn().status.catch(() => {});
      }
    } catch { /* nothing of the group is left */ }
  }
}

/** Whether a promise settles within so many ms. */
async function within(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) =>
    timer = setTimeout(() => resolve(false), ms)
  );
  const settled = await Promise.race([
    promise.then(() => true, () => true),
    late,
  ]);
  clearTimeout(timer);
  return settled;
}

function cannotStart(options: ChildOptions, cause: unknown): string {
  const head = `Cannot start server "${options.name}"`;
  if (options.cwd !== undefined) {
    try {
      if (!Deno.statSync(options.cwd).isDirectory) {
        return `${head}: its working directory "${options.cwd}" is no directory`;
      }
    } catch {
      return `${head}: its working directory "${options.cwd}" does not exist`;
    }
  }
  if (cause instanceof Deno.errors.NotFound) {
    return `${head}: command "${options.command}" was not found; is it installed, and on PATH?`;
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return `${head}: command "${options.command}" cannot be executed`;
  }
  return `${head}: ${cause instanceof Error ? cause.message : cause}`;
}
