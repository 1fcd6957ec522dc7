/**
 * Goes through all that the program does, from outside, and prints a line for each thing that works or does not.
 *
 * ```sh
 * deno run -A tests/smoke.ts PROGRAM [ARGS…]
 * ```
 *
 * It needs nothing but Deno and loopback, so that it also tries an executable on the system which that was made for.
 * The exit code is 0 if all works, else 1.
 *
 * @module
 */
import config from "../deno.json" with { type: "json" };

/** How long all of it may take, in ms. */
const LIMIT = 30_000;
/** Makes this script the stdio server that the program stands in front of. */
const CHILD = "--child";
const KEY = "sk-smoke-never-to-be-seen";
const COMMANDS = ["ask", "bridge", "serve", "aggregate"];

/** As much of a JSON-RPC message as is looked at here. */
interface Message {
  id?: number;
  method?: string;
  params?: {
    name?: string;
    protocolVersion?: string;
    arguments?: { text?: string };
  };
  result?: {
    tools?: { name: string }[];
    content?: { text: string }[];
    isError?: boolean;
  };
  error?: { message: string };
}

/** What a client can do with a server. */
interface Peer {
  request(method: string, params: object): Promise<Message>;
  notify(method: string): Promise<void>;
}

/** The program, or rather one run of it. */
class Process implements Peer, AsyncDisposable {
  static readonly running: Set<Process> = new Set();
  stdout = "";
  stderr = "";
  /** Its exit code, once it has ended and all that it said is here. */
  readonly ended: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  #code: number | undefined;
  #last = 0;

  constructor(args: string[], env: Record<string, string> = {}) {
    const [file = "", ...words] = [...Deno.args, ...args];
    this.#child = new Deno.Command(file, {
      args: words,
      env: { NO_COLOR: "1", NO_PROXY: "127.0.0.1", ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    Process.running.add(this);
    this.#stdin = this.#child.stdin.getWriter();
    this.#stdin.closed.catch(() => {});
    this.ended = Promise.all([
      this.#child.status,
      gather(this.#child.stdout, (text) => this.stdout += text),
      gather(this.#child.stderr, (text) => this.stderr += text),
    ]).then(([{ code }]) => {
      Process.running.delete(this);
      return this.#code = code;
    });
  }

  /** Waits until there is what `find` looks for. */
  async until<T>(find: () => T | null | undefined): Promise<T> {
    while (true) {
      const found = find();
      if (found !== null && found !== undefined) return found;
      if (this.#code !== undefined) {
        throw new Error(`it ended with ${this.#code}: ${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Waits until its stderr has this, and gives the first group. */
  said(what: RegExp): Promise<string> {
    return this.until(() => what.exec(this.stderr)?.[1]);
  }

  async request(method: string, params: object): Promise<Message> {
    const id = ++this.#last;
    await this.#send({ id, method, params });
    return await this.until(() =>
      this.stdout.split("\n").slice(0, -1).map((line): Message =>
        JSON.parse(line)
      ).find((message) => message.id === id && !message.method)
    );
  }

  notify(method: string): Promise<void> {
    return this.#send({ method });
  }

  /** Closes its stdin, as a client does that has finished. Gives its exit code. */
  async close(): Promise<number> {
    await this.#stdin.close().catch(() => {});
    return await this.ended;
  }

  /** Asks it to end. Gives its exit code. */
  async stop(): Promise<number> {
    this.#kill("SIGTERM");
    return await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stdin.close().catch(() => {});
    await this.stop();
  }

  kill(): void {
    this.#kill("SIGKILL");
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch {
      // It has ended already.
    }
  }

  async #send(message: object): Promise<void> {
    // If it has ended, the wait for its answer tells.
    await this.#stdin.write(encode({ jsonrpc: "2.0", ...message }))
      .catch(() => {});
  }
}

/** A session over Streamable HTTP. */
class Web implements Peer {
  readonly #url: string;
  readonly #headers: Record<string, string> = {
    accept: "application/json, text/event-stream",
    "content-type": "application/json",
  };
  #last = 0;

  constructor(url: string) {
    this.#url = url;
  }

  async request(method: string, params: object): Promise<Message> {
    const id = ++this.#last;
    const response = await this.#post({ id, method, params });
    const session = response.headers.get("mcp-session-id");
    if (session) this.#headers["mcp-session-id"] = session;
    const text = await response.text();
    if (!response.ok) throw new Error(`${method}: ${response.status} ${text}`);
    const type = response.headers.get("content-type");
    const messages = type?.startsWith("text/event-stream")
      ? text.split(/\r?\n/).filter((line) => /^data: *\S/.test(line))
        .map((line) => line.slice("data:".length))
      : [text];
    const answer = messages.map((message): Message => JSON.parse(message))
      .find((message) => message.id === id);
    if (!answer) throw new Error(`${method}: no answer in ${text}`);
    return answer;
  }

  async notify(method: string): Promise<void> {
    const response = await this.#post({ method });
    await response.body?.cancel();
    same(response.status, 202);
  }

  #post(message: object): Promise<Response> {
    return fetch(this.#url, {
      method: "POST",
      headers: this.#headers,
      body: JSON.stringify({ jsonrpc: "2.0", ...message }),
    });
  }
}

/** Opens a session. Gives the names of the tools. */
async function open(peer: Peer): Promise<string[]> {
  const answer = await peer.request("initialize", {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "smoke", version: "1.0.0" },
  });
  if (!answer.result) throw new Error(JSON.stringify(answer));
  await peer.notify("notifications/initialized");
  const list = await peer.request("tools/list", {});
  return list.result?.tools?.map(({ name }) => name).sort() ?? [];
}

/** Calls a tool. Gives the text that it answers. */
async function call(peer: Peer, name: string, args: object): Promise<string> {
  const answer = await peer.request("tools/call", { name, arguments: args });
  const { content: [block] = [], isError } = answer.result ?? {};
  if (!block || isError) throw new Error(JSON.stringify(answer));
  return block.text;
}

/** Runs the program to its end, which has to be this exit code. */
async function run(code: number, ...args: string[]): Promise<Process> {
  const process = new Process(args);
  const ended = await process.close();
  if (ended !== code) {
    throw new Error(`it ended with ${ended}: ${process.stderr}`);
  }
  return process;
}

/** The words that start a server of this name. */
function child(name: string): [file: string, ...words: string[]] {
  const script = import.meta.filename ?? "";
  const flags = ["--no-config", "--no-lock", "--quiet"];
  return [Deno.execPath(), "run", ...flags, script, CHILD, name];
}

/** Where `serve` has its default server. */
const SERVED = /(http:\S+\/mcp)\s/;

/** What is tried, by name. */
const CHECKS: Record<string, () => Promise<void>> = {
  "--version": async () => {
    const { stdout } = await run(0, "--version");
    same(stdout, `mcp-proxy ${config.version}\n`);
  },

  "--help": async () => {
    const { stdout } = await run(0, "--help");
    for (const name of COMMANDS) has(stdout, name);
    await Promise.all(COMMANDS.map(async (name) => {
      const { stdout } = await run(0, name, "--help");
      has(stdout, `mcp-proxy ${name}`);
    }));
  },

  "an unknown flag is refused": async () => {
    const { stdout, stderr } = await run(2, "serve", "--no-such-flag");
    same(stdout, "");
    has(stderr, "--no-such-flag");
  },

  "serve: a call over HTTP; bridge: a call to the same server": async () => {
    await using serve = new Process(["serve", "--", ...child("one")]);
    const url = await serve.said(SERVED);
    const web = new Web(url);
    same(await open(web), ["echo"]);
    same(await call(web, "echo", { text: "hello" }), "one: hello");

    await using bridge = new Process(["bridge", url]);
    same(await open(bridge), ["echo"]);
    same(await call(bridge, "echo", { text: "bonjour" }), "one: bonjour");
    same(await bridge.close(), 0);
    stopped(await serve.stop());
  },

  "aggregate: calls to two servers as one": async () => {
    const folder = await Deno.makeTempDir();
    try {
      const servers = ["one", "two"].map((name) => {
        const [command, ...args] = child(name);
        return [name, { command, args }];
      });
      const file = `${folder}/config.json`;
      const text = JSON.stringify({
        mcpProxy: { addr: "127.0.0.1:0", type: "streamable-http" },
        mcpServers: Object.fromEntries(servers),
      });
      await Deno.writeTextFile(file, text);
      await run(0, "aggregate", "--config", file, "--check-config");

      await using aggregate = new Process(["aggregate", "--config", file]);
      const url = await aggregate.said(/as one: (http:\S+\/mcp)\s/);
      await aggregate.said(/(All clients initialized)/);
      const web = new Web(url);
      same(await open(web), ["one__echo", "two__echo"]);
      same(await call(web, "one__echo", { text: "hello" }), "one: hello");
      same(await call(web, "two__echo", { text: "hello" }), "two: hello");
      stopped(await aggregate.stop());
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },

  "ask: a question to a model": async () => {
    await using model = new Model();
    await using ask = new Process(["ask"], model.settings);
    same(await open(ask), ["ask_model"]);
    const answer = await call(ask, "ask_model", { prompt: "hello" });
    same(JSON.parse(answer).text, "You said: hello");
    same(await ask.close(), 0);
    same((ask.stdout + ask.stderr).includes(KEY), false);
  },

  "serve -- ask: the model over HTTP": async () => {
    await using model = new Model();
    await using serve = new Process(
      ["serve", "--pass-environment", "--", ...Deno.args, "ask"],
      model.settings,
    );
    const web = new Web(await serve.said(SERVED));
    same(await open(web), ["ask_model"]);
    const answer = await call(web, "ask_model", { prompt: "hello" });
    same(JSON.parse(answer).text, "You said: hello");
    stopped(await serve.stop());
  },
};

/** As much of a Messages API as `ask` needs. */
class Model implements AsyncDisposable {
  /** The variables that lead to it. */
  readonly settings: Record<string, string>;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const address = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
    this.#server = Deno.serve(address, async (request) => {
      same(request.headers.get("x-api-key"), KEY);
      same(new URL(request.url).pathname, "/v1/messages");
      const { model, messages } = await request.json();
      return Response.json({
        id: "msg_1",
        type: "message",
        role: "assistant",
        model,
        content: [{ type: "text", text: `You said: ${messages[0].content}` }],
        stop_reason: "end_turn",
        usage: { input_tokens: 3, output_tokens: 4 },
      });
    });
    this.settings = {
      CLAUDE_MCP_BASE_URL: `http://127.0.0.1:${this.#server.addr.port}`,
      CLAUDE_MCP_API_KEY: KEY,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

function same(actual: unknown, expected: unknown): void {
  const [is, wanted] = [actual, expected].map((value) => JSON.stringify(value));
  if (is !== wanted) throw new Error(`${is} instead of ${wanted}`);
}

function has(text: string, part: string): void {
  if (!text.includes(part)) throw new Error(`no "${part}" in: ${text}`);
}

/** Checks the exit code after {@linkcode Process.stop}, which leaves a program on Windows no say in it. */
function stopped(code: number): void {
  if (Deno.build.os !== "windows") same(code, 0);
}

async function gather(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  add: (text: string) => void,
): Promise<void> {
  for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
    add(text);
  }
}

function encode(message: object): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(message)}\n`);
}

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** A stdio server with one tool, which says its own name and what it is told. */
async function beChild(name: string): Promise<void> {
  let rest = "";
  await gather(Deno.stdin.readable, (text) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const answer = reply(JSON.parse(line), name);
      if (answer) Deno.stdout.writeSync(encode({ jsonrpc: "2.0", ...answer }));
    }
  });
}

function reply({ id, method, params }: Message, name: string): object | null {
  if (id === undefined) return null;
  switch (method) {
    case "initialize":
      return {
        id,
        result: {
          protocolVersion: params?.protocolVersion,
          capabilities: { tools: {} },
          serverInfo: { name, version: "1.0.0" },
        },
      };
    case "ping":
      return { id, result: {} };
    case "tools/list":
      return {
        id,
        result: { tools: [{ name: "echo", inputSchema: { type: "object" } }] },
      };
    case "tools/call": {
      const text = `${name}: ${params?.arguments?.text}`;
      return { id, result: { content: [{ type: "text", text }] } };
    }
    default:
      return { id, error: { code: -32601, message: `No method ${method}` } };
  }
}

async function main(): Promise<number> {
  if (Deno.args.length === 0) {
    print("Which program? deno run -A tests/smoke.ts PROGRAM [ARGS…]");
    return 2;
  }
  let failures = 0;
  let current = "";
  const end = setTimeout(() => {
    print(`not ok  ${current}: not done within ${LIMIT / 1000} s`);
    for (const process of Process.running) {
      process.kill();
      if (process.stderr) print(process.stderr);
    }
    Deno.exit(1);
  }, LIMIT);
  for (const [name, check] of Object.entries(CHECKS)) {
    current = name;
    const start = performance.now();
    try {
      await check();
      print(`ok      ${name} (${Math.round(performance.now() - start)} ms)`);
    } catch (error) {
      failures++;
      print(`not ok  ${name}: ${error instanceof Error ? error.stack : error}`);
    }
  }
  clearTimeout(end);
  return failures > 0 ? 1 : 0;
}

if (import.meta.main) {
  const [mode, name = ""] = Deno.args;
  if (mode === CHILD) await beChild(name);
  else Deno.exit(await main());
}
