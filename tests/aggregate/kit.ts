/** What the tests of `aggregate` share: the program with a config that can change while it runs. */

import { program, startListening } from "../program.ts";
import {
  alive,
  call,
  type Events,
  legacy,
  type Message,
  modern,
  modernPost,
  request,
  Session,
} from "../serve/kit.ts";

export const NOTED = ["--journal", "JOURNAL"];

/** An entry of the config for a legacy fixture. */
export function legacyEntry(
  options: Message = {},
  ...flags: string[]
): Message {
  return entry(legacy(...flags, ...NOTED), options);
}

/** The same for a modern one. */
export function modernEntry(
  options: Message = {},
  ...flags: string[]
): Message {
  return entry(modern(...flags, ...NOTED), options);
}

function entry([command, ...args]: string[], options: Message): Message {
  return { command, args, options };
}

/** A config around these servers, on a port that is free. */
export function configOf(servers: Message, proxy: Message = {}): Message {
  return {
    mcpProxy: {
      addr: "127.0.0.1:0",
      name: "All",
      version: "1.0.0",
      type: "streamable-http",
      ...proxy,
    },
    mcpServers: servers,
  };
}

/** A running `aggregate`. */
export class Aggregate {
  readonly origin: string;
  readonly pid: number;
  readonly stderr: () => string;
  readonly ended: Promise<number>;
  readonly stop: () => Promise<number>;
  readonly folder: string;

  constructor(
    running: Awaited<ReturnType<typeof startListening>>,
    folder: string,
  ) {
    this.origin = new URL(running.url).origin;
    this.pid = running.pid;
    this.stderr = running.stderr;
    this.ended = running.ended;
    this.stop = running.stop;
    this.folder = folder;
  }

  /** The combined endpoint. */
  get mcp(): string {
    return `${this.origin}/mcp`;
  }

  /** One server's endpoint. */
  named(name: string): string {
    return `${this.origin}/${name}/mcp`;
  }

  /** `/status`, as the holder of a token sees it. */
  async status(token?: string): Promise<Message> {
    const headers = bearer(token);
    const response = await fetch(`${this.origin}/status`, { headers });
    return await response.json();
  }

  /** How one server is. */
  async server(name: string, token?: string): Promise<Message> {
    return (await this.status(token)).servers[name];
  }

  /** Writes the config as an editor does: beside it, and then in its place. */
  write(config: unknown): void {
    writeConfig(this.folder, config, "next.json");
    Deno.renameSync(`${this.folder}/next.json`, `${this.folder}/config.json`);
  }

  /** Writes the config where it stands. */
  overwrite(config: unknown): void {
    writeConfig(this.folder, config, "config.json");
  }

  /** Ids of all processes that children have noted so far. */
  pids(): number[] {
    return [
      ...journalOf(this.folder).matchAll(/^(?:start|fork) (\d+)$/gm),
    ].map(([, pid]) => Number(pid));
  }

  /** How often calls with this key have run. */
  runs(key: string): number {
    return journalOf(this.folder).split("\n").filter((line) =>
      line === `run ${key}`
    ).length;
  }
}

function journalOf(folder: string): string {
  return Deno.readTextFileSync(`${folder}/journal`);
}

function writeConfig(folder: string, config: unknown, name: string): void {
  const text = typeof config === "string"
    ? config
    : JSON.stringify(config, null, 2);
  Deno.writeTextFileSync(
    `${folder}/${name}`,
    text.replaceAll("JOURNAL", `${folder}/journal`),
  );
}

/** How to start the program. */
export interface Starting {
  args?: string[];
  env?: Record<string, string>;
  /** The exit code at the end. */
  code?: number;
}

/** Starts `aggregate`, gives it to the test, ends it, and fails where it does not end well or leaves a process. */
export async function aggregating(
  config: unknown,
  test: (aggregate: Aggregate) => Promise<void>,
  { args = [], env = {}, code = 0 }: Starting = {},
): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "aggregate-" });
  try {
    Deno.writeTextFileSync(`${folder}/journal`, "");
    writeConfig(folder, config, "config.json");
    const running = await startListening(
      [
        ...program(),
        "aggregate",
        "--config",
        `${folder}/config.json`,
        ...args,
      ],
      /Listening on https?:\/\/[^\s/]+:(\d+)/,
      env,
    );
    const url = /https?:\S+/.exec(running.url)?.[0] ?? "";
    const aggregate = new Aggregate({ ...running, url }, folder);
    let ended: number, left: number[];
    try {
      await test(aggregate);
    } catch (error) {
      throw new Error(`With this on stderr:\n${aggregate.stderr()}`, {
        cause: error,
      });
    } finally {
      ended = await aggregate.stop();
      left = aggregate.pids().filter(alive);
      left.forEach((pid) => Deno.kill(pid, "SIGKILL"));
    }
    const said = aggregate.stderr();
    const fault =
      /internal error|cannot answer|uncaught|is not a function|TypeError/i
        .exec(said);
    if (ended !== code || fault || left.length > 0) {
      throw new Error(
        `aggregate ended with ${ended}, said ${fault}, left ${left}:\n${said}`,
      );
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** The header that shows a token; none without one. */
export function bearer(token?: string): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

/** A legacy client of an endpoint. */
export function open(
  url: string,
  token?: string,
  capabilities: Message = {},
): Promise<Session> {
  return Session.open(url, { headers: bearer(token), capabilities });
}

/** The result of a request, or an error that shows the answer. */
export async function ask(
  session: Session,
  method: string,
  params: Message = {},
): Promise<Message> {
  const { message } = await session.send(request(method, params));
  if (!message?.result) throw new Error(JSON.stringify(message));
  return message.result;
}

/** The names in a list. */
export async function names(
  session: Session,
  kind: "tools" | "prompts" | "resources" | "resourceTemplates",
): Promise<string[]> {
  const method = kind === "resourceTemplates"
    ? "resources/templates/list"
    : `${kind}/list`;
  const list = (await ask(session, method))[kind];
  return list.map((one: Message) => one.uriTemplate ?? one.uri ?? one.name);
}

/** What a modern client gets. */
export async function askModern(
  url: string,
  method: string,
  params: Message = {},
  options: Parameters<typeof modernPost>[2] = {},
): Promise<Message> {
  const response = await modernPost(url, request(method, params), options);
  const text = await response.text();
  const line = /^data: (\{.*"(?:result|error)".*\})$/m.exec(text);
  return JSON.parse(line?.[1] ?? text);
}

/** A call of a tool, and its text. */
export async function say(
  session: Session,
  tool: string,
  args: Message = {},
): Promise<string> {
  const { message } = await session.send(call(tool, args));
  if (!message?.result) throw new Error(JSON.stringify(message));
  return message.result.content[0].text;
}

/** Reads up to a notification, and gives the methods of what came before it. */
export async function heardOf(
  stream: Events,
  method: string,
): Promise<string[]> {
  const before: string[] = [];
  for (;;) {
    const told = (await stream.next()).method;
    if (told === method) return before;
    before.push(told);
  }
}
