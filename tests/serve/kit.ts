/** What the tests of `serve` share: a client that hides nothing of HTTP, and a look at what is left over. */

import { fixture, program, startListening } from "../program.ts";

export const JSON_HEADERS = {
  "content-type": "application/json",
  "accept": "application/json, text/event-stream",
};
export const unix = Deno.build.os !== "windows";

/** A JSON-RPC message as it came. */
// deno-lint-ignore no-explicit-any -- tests look at any member
export type Message = any;

/** The words that start the fixtures. */
export const legacy = (...args: string[]): string[] =>
  fixture("legacy_server.mjs", ...args);
export const modern = (...args: string[]): string[] =>
  fixture("modern_server.mjs", ...args);

/** A command as one string for `--named-server`. */
export const line = (words: string[]): string =>
  words.map((word) => `'${word}'`).join(" ");

/** An event of a stream. */
export interface Event {
  id: string;
  type: string;
  data: string;
}

/** A stream of events: read one by one, as they come. */
export class Events {
  readonly response: Response;
  /** All comments so far. */
  comments: string[] = [];
  /** The id of the last event. */
  lastId = "";
  #reader: ReadableStreamDefaultReader<string>;
  #reading: Promise<ReadableStreamReadResult<string>> | undefined;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    if (!response.body) throw new Error("no body");
    this.#reader = response.body.pipeThrough(new TextDecoderStream())
      .getReader();
  }

  /** The next event, or `undefined` at the end. Rejects after `ms`. */
  async event(ms = 10_000): Promise<Event | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end < 0) {
        // A read that nobody waited for to the end goes on, and its bytes must not be lost.
        this.#reading ??= this.#reader.read();
        const { done, value } = await soon(this.#reading, ms, "an event");
        this.#reading = undefined;
        if (done) return undefined;
        this.#text += value;
        continue;
      }
      const event: Event = { id: "", type: "message", data: "" };
      for (const text of this.#text.slice(0, end).split("\n")) {
        const colon = text.indexOf(":"), value = text.slice(colon + 1).trim();
        if (colon === 0) this.comments.push(value);
        else if (text.startsWith("id:")) this.lastId = event.id = value;
        else if (text.startsWith("event:")) event.type = value;
        else if (text.startsWith("data:")) event.data = value;
      }
      const comment = this.#text.startsWith(":");
      this.#text = this.#text.slice(end + 2);
      if (!comment) return event;
    }
  }

  /** The next message. */
  async next(ms?: number): Promise<Message> {
    for (;;) {
      const event = await this.event(ms);
      if (!event) throw new Error("the stream has ended");
      if (event.data !== "") return JSON.parse(event.data);
    }
  }

  /** All messages up to the end. */
  async rest(): Promise<Message[]> {
    const all: Message[] = [];
    for (let event = await this.event(); event; event = await this.event()) {
      if (event.data !== "") all.push(JSON.parse(event.data));
    }
    return all;
  }

  /** Hangs up. */
  cancel(): Promise<void> {
    return this.#reader.cancel().catch(() => {});
  }
}

/** What a POST was answered with. */
export interface Answer {
  status: number;
  headers: Headers;
  /** Whether it was a stream. */
  streamed: boolean;
  /** The messages before the response. */
  before: Message[];
  /** The response. */
  message: Message;
  /** The body, if it was no stream. */
  text: string;
}

/** Reads an answer to its end. */
export async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const streamed = headers.get("content-type") === "text/event-stream";
  if (!streamed) {
    const text = await response.text();
    let message: Message;
    try {
      message = JSON.parse(text);
    } catch { /* it is none */ }
    return { status, headers, streamed, before: [], message, text };
  }
  const all = await new Events(response).rest();
  const message = all.pop();
  return { status, headers, streamed, before: all, message, text: "" };
}

let lastId = 0;

/** A request as a message, with an id that nobody else uses. */
export function request(
  method: string,
  params?: unknown,
  id: unknown = ++lastId,
): Message {
  return { jsonrpc: "2.0", id, method, ...params ? { params } : {} };
}

export const call = (
  name: string,
  args: Message = {},
  id?: unknown,
  meta?: Message,
): Message =>
  request("tools/call", {
    name,
    arguments: args,
    ...meta ? { _meta: meta } : {},
  }, id);

/** Posts JSON, or a text as it stands. */
export function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { ...JSON_HEADERS, ...headers },
    body: typeof body === "string" || body instanceof Uint8Array
      ? body as BodyInit
      : JSON.stringify(body),
    ...signal ? { signal } : {},
  });
}

/** What a client says first. */
export const hello = (
  capabilities: Message = {},
  version = "2025-11-25",
  id?: unknown,
): Message =>
  request("initialize", {
    protocolVersion: version,
    capabilities,
    clientInfo: { name: "test", version: "1" },
  }, id);

/** A legacy client's session. */
export class Session {
  readonly url: string;
  readonly headers: Record<string, string>;
  /** The answer to `initialize`. */
  readonly first: Answer;

  constructor(url: string, headers: Record<string, string>, first: Answer) {
    this.url = url;
    this.headers = headers;
    this.first = first;
  }

  static async open(
    url: string,
    { capabilities = {}, version = "2025-11-25", headers = {} }: {
      capabilities?: Message;
      version?: string;
      headers?: Record<string, string>;
    } = {},
  ): Promise<Session> {
    const first = await answerOf(
      await post(url, hello(capabilities, version), headers),
    );
    const id = first.headers.get("mcp-session-id");
    if (!id) throw new Error(`no session: ${JSON.stringify(first)}`);
    const session = new Session(url, {
      ...headers,
      "mcp-session-id": id,
      "mcp-protocol-version": version,
    }, first);
    await session.tell("notifications/initialized");
    return session;
  }

  get id(): string {
    return this.headers["mcp-session-id"] ?? "";
  }

  post(
    message: unknown,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    return post(this.url, message, { ...this.headers, ...headers }, signal);
  }

  async send(message: unknown): Promise<Answer> {
    return await answerOf(await this.post(message));
  }

  /** Sends a request, answers what the server asks meanwhile, and gives the response. */
  async talk(
    message: Message,
    answer: (request: Message) => unknown,
    hear: (notification: Message) => void = () => {},
  ): Promise<Message> {
    const response = await this.post(message);
    if (response.headers.get("content-type") !== "text/event-stream") {
      return (await answerOf(response)).message;
    }
    const events = new Events(response);
    let last: Message;
    for (
      let event = await events.event();
      event;
      event = await events.event()
    ) {
      if (event.data === "") continue;
      last = JSON.parse(event.data);
      if (last.method === undefined) continue;
      if (last.id === undefined) hear(last);
      else await this.reply(last.id, await answer(last));
    }
    return last;
  }

  /** Calls a tool of the fixture and gives the text of its result. */
  async call(name: string, args: Message = {}): Promise<string> {
    const { message } = await this.send(call(name, args));
    if (!message?.result) throw new Error(JSON.stringify(message));
    return message.result.content[0].text;
  }

  async tell(method: string, params?: unknown): Promise<number> {
    const response = await this.post({
      jsonrpc: "2.0",
      method,
      ...params ? { params } : {},
    });
    await response.body?.cancel();
    return response.status;
  }

  /** Answers a request of the server's. */
  async reply(id: unknown, result: unknown): Promise<number> {
    const response = await this.post({ jsonrpc: "2.0", id, result });
    await response.body?.cancel();
    return response.status;
  }

  async get(lastEventId?: string, signal?: AbortSignal): Promise<Events> {
    const response = await fetch(this.url, {
      headers: {
        ...this.headers,
        accept: "text/event-stream",
        ...lastEventId === undefined ? {} : { "last-event-id": lastEventId },
      },
      ...signal ? { signal } : {},
    });
    if (response.status !== 200) throw new Error(await response.text());
    return new Events(response);
  }

  async end(): Promise<number> {
    const response = await fetch(this.url, {
      method: "DELETE",
      headers: this.headers,
    });
    await response.body?.cancel();
    return response.status;
  }
}

export const META = "io.modelcontextprotocol/";

/** A modern client's POST. */
export function modernPost(
  url: string,
  message: Message,
  options: {
    headers?: Record<string, string>;
    meta?: Message;
    capabilities?: Message;
    signal?: AbortSignal;
  } = {},
): Promise<Response> {
  const { params = {}, method } = message;
  const name = params.name ?? params.uri;
  const body = {
    ...message,
    params: {
      ...params,
      _meta: {
        [`${META}protocolVersion`]: "2026-07-28",
        [`${META}clientCapabilities`]: options.capabilities ?? {},
        ...params._meta,
        ...options.meta,
      },
    },
  };
  return post(url, body, {
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": method,
    ...name === undefined ? {} : { "mcp-name": name },
    ...options.headers,
  }, options.signal);
}

/** Rejects where a promise takes longer than `ms`. */
export async function soon<T>(
  promise: Promise<T>,
  ms: number,
  what: string,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) =>
    timer = setTimeout(
      () => reject(new Error(`${what} did not come within ${ms} ms`)),
      ms,
    )
  );
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Waits until a condition holds, and gives what it gave. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = 10_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) {
      throw new Error(`${what}: not within ${ms} ms`);
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** Whether a process runs; one that has ended and that nobody has asked for its end counts as gone. */
export function alive(pid: number): boolean {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    if (Deno.build.os === "linux") return false;
  }
  const { stdout } = new Deno.Command("ps", {
    args: ["-o", "stat=", "-p", `${pid}`],
  }).outputSync();
  const state = new TextDecoder().decode(stdout).trim();
  return state !== "" && !state.startsWith("Z");
}

/** A running `serve`, with a journal in which its children write their process ids. */
export class Serve {
  readonly origin: string;
  readonly pid: number;
  readonly stderr: () => string;
  readonly ended: Promise<number>;
  readonly stop: () => Promise<number>;
  readonly journal: string;

  constructor(
    running: Awaited<ReturnType<typeof startListening>>,
    journal: string,
  ) {
    this.origin = new URL(running.url).origin;
    this.pid = running.pid;
    this.stderr = running.stderr;
    this.ended = running.ended;
    this.stop = running.stop;
    this.journal = journal;
  }

  get mcp(): string {
    return `${this.origin}/mcp`;
  }

  named(name: string): string {
    return `${this.origin}/servers/${name}/mcp`;
  }

  async status(): Promise<Message> {
    return await (await fetch(`${this.origin}/status`)).json();
  }

  /** How one server is. */
  async server(name = "default"): Promise<Message> {
    return (await this.status()).servers[name];
  }

  /** Ids of all processes that children have noted so far. */
  pids(): number[] {
    return [
      ...Deno.readTextFileSync(this.journal).matchAll(
        /^(?:start|fork) (\d+)$/gm,
      ),
    ].map(([, pid]) => Number(pid));
  }

  signal(signal: Deno.Signal): void {
    Deno.kill(this.pid, signal);
  }
}

/**
 * Starts `serve`, gives it to the test, ends it, and fails where it does not end well or leaves a process. Words that
 * are `JOURNAL` become the path of the journal.
 */
export async function serving(
  args: string[],
  test: (serve: Serve) => Promise<void>,
  options: { env?: Record<string, string>; code?: number } = {},
): Promise<void> {
  const journal = Deno.makeTempFileSync({ prefix: "serve-" });
  try {
    const running = await startListening(
      [
        ...program(),
        "serve",
        ...args.map((word) => word.replaceAll("JOURNAL", journal)),
      ],
      /https?:\/\/[^\s/]+:(\d+)\/\S*mcp\b|unix:\S+/,
      options.env,
    );
    const serve = new Serve(running, journal);
    let code: number, left: number[];
    try {
      await test(serve);
    } catch (error) {
      throw new Error(`the program said:\n${serve.stderr()}`, { cause: error });
    } finally {
      code = await serve.stop();
      left = serve.pids().filter(alive);
      left.forEach((pid) => Deno.kill(pid, "SIGKILL"));
    }
    if (code !== (options.code ?? 0)) {
      throw new Error(`serve ended with ${code}:\n${serve.stderr()}`);
    }
    const fault =
      /internal error|cannot answer|uncaught|is not a function|TypeError/i
        .exec(serve.stderr());
    if (fault) {
      throw new Error(`serve complained (${fault}):\n${serve.stderr()}`);
    }
    if (left.length > 0) {
      throw new Error(`serve left processes: ${left}\n${serve.stderr()}`);
    }
  } finally {
    Deno.removeSync(journal);
  }
}

/** Words of a fixture that notes its processes. */
export const noted = (
  words: string[],
): string[] => [...words, "--journal", "JOURNAL"];
