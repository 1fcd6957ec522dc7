/** A host that runs `mcp-proxy bridge` as its child and hides nothing of what goes over the pipes. */

import { assertEquals } from "@std/assert";
import { program } from "../program.ts";

/** A JSON-RPC message as it came. */
// deno-lint-ignore no-explicit-any -- tests look at any member
export type Message = any;

/** Words of the environment that the program needs to run at all. */
const BASE = [
  "PATH",
  "HOME",
  "DENO_DIR",
  "TMPDIR",
  "SYSTEMROOT",
  "TEMP",
  "LOCALAPPDATA",
  "DENO_TLS_CA_STORE",
  "DENO_CERT",
];

/** Resolves with what `promise` does, or rejects after `ms`. */
export async function soon<T>(
  promise: Promise<T>,
  what: string,
  ms = 15_000,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no ${what} within ${ms} ms`)),
      ms,
    );
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until something is so. */
export async function until(
  what: string,
  so: () => boolean | Promise<boolean>,
  ms = 15_000,
): Promise<void> {
  const end = performance.now() + ms;
  while (!await so()) {
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${ms} ms`);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } },
  clientInfo: { name: "host", version: "1.0.0" },
};

/** The envelope of a modern request. */
export const ENVELOPE = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": { name: "host", version: "1.0.0" },
};

/** A running bridge. */
export class Bridge {
  /** Every line that it has written. */
  readonly lines: string[] = [];
  /** Messages that are no responses to {@linkcode Bridge.request}, in order. */
  readonly others: Message[] = [];
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #waiting: Map<string, (message: Message) => void> = new Map();
  readonly #done: Promise<unknown>;
  #closed = false;
  #next = 1;

  constructor(
    args: string[],
    env: Record<string, string> = {},
    command = "bridge",
  ) {
    const [file = "", ...words] = [...program(), command, ...args];
    const base = BASE.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    });
    this.#child = new Deno.Command(file, {
      args: words,
      env: { ...Object.fromEntries(base), NO_COLOR: "1", ...env },
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.#child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    this.#done = Promise.all([this.#read(), this.#listen()]);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes text or bytes as they are. */
  async raw(text: string | Uint8Array): Promise<void> {
    await this.#writer.write(
      typeof text === "string" ? new TextEncoder().encode(text) : text,
    );
  }

  send(message: Message): Promise<void> {
    return this.raw(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  notify(method: string, params?: unknown): Promise<void> {
    return this.send(params === undefined ? { method } : { method, params });
  }

  /** Sends a request; resolves with the whole response. */
  request(
    method: string,
    params?: unknown,
    id: unknown = `r${this.#next++}`,
  ): Promise<Message> {
    const answer = this.answer(id, method);
    const sent = this.send(
      params === undefined ? { id, method } : { id, method, params },
    );
    return sent.then(() => answer);
  }

  /** The response with this id. */
  answer(id: unknown, what = "request"): Promise<Message> {
    const come = new Promise<Message>((resolve) =>
      this.#waiting.set(JSON.stringify(id), resolve)
    );
    return soon(come, `response to ${what}`).catch((cause) => {
      throw new Error(`${cause.message}\nstderr:\n${this.stderr}`);
    });
  }

  call(
    name: string,
    args: Record<string, unknown> = {},
    meta?: Record<string, unknown>,
  ): Promise<Message> {
    return this.request("tools/call", {
      name,
      arguments: args,
      ...meta && { _meta: meta },
    });
  }

  modern(
    method: string,
    params: Record<string, unknown> = {},
    meta: Record<string, unknown> = {},
  ): Promise<Message> {
    return this.request(method, { ...params, _meta: { ...ENVELOPE, ...meta } });
  }

  /** Says hello as a legacy host does. */
  async initialize(params: unknown = INITIALIZE): Promise<Message> {
    const answer = await this.request("initialize", params);
    if (answer.result) await this.notify("notifications/initialized");
    return answer;
  }

  /** The next message that is no response and fits; those before it are dropped. */
  async other(
    fits: (message: Message) => boolean = () => true,
    ms?: number,
  ): Promise<Message> {
    await until(
      `a message that fits (others: ${JSON.stringify(this.others)})`,
      () => this.others.some(fits),
      ms,
    );
    return this.others.splice(0, this.others.findIndex(fits) + 1).at(-1);
  }

  /** Closes its stdin. */
  async eof(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writer.close().catch(() => {});
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Its exit code, once it has ended and all that it wrote was read. */
  async ended(ms = 15_000): Promise<number> {
    const { code } = await soon(this.#child.status, "end of the program", ms);
    await soon(this.#done, "end of its output");
    return code;
  }

  /** Closes its stdin and gives the exit code. */
  async close(): Promise<number> {
    await this.eof();
    return await this.ended();
  }

  /** Makes sure that it is gone, whatever became of the test. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.eof();
    const timer = setTimeout(() => {
      try {
        this.#child.kill("SIGKILL");
      } catch { /* it has ended */ }
    }, 5000);
    await this.#child.status;
    clearTimeout(timer);
    await this.#done;
  }

  async #read(): Promise<void> {
    let text = "";
    for await (
      const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())
    ) {
      text += chunk;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) this.#line(line);
    }
    assertEquals(text, "", "stdout ends with a line break");
  }

  #line(line: string): void {
    this.lines.push(line);
    const message: Message = JSON.parse(line);
    const key = JSON.stringify(message.id);
    const waiting = message.method === undefined
      ? this.#waiting.get(key)
      : undefined;
    if (!waiting) return void this.others.push(message);
    this.#waiting.delete(key);
    waiting(message);
  }

  async #listen(): Promise<void> {
    for await (
      const chunk of this.#child.stderr.pipeThrough(new TextDecoderStream())
    ) this.stderr += chunk;
  }
}

/** The text of a tool's result. */
export function textOf(answer: Message): string {
  if (!answer.result) throw new Error(`no result: ${JSON.stringify(answer)}`);
  return answer.result.content[0].text;
}
