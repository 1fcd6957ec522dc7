import { assert, assertEquals } from "@std/assert";
import { splitWords } from "../lib/config/words.ts";
import { FAKE_KEY, startFakeMessages } from "./fixtures/fake_messages.ts";
import { startRemote } from "./fixtures/remote_server.ts";
import {
  fixture,
  program,
  run,
  type Running,
  startListening,
} from "./program.ts";
import { type Message, post, Session } from "./serve/kit.ts";

const root = `${import.meta.dirname}/..`;
const readme = await Deno.readTextFile(`${root}/README.md`);

/** Where `serve` and `aggregate` say that they listen. */
const ADDRESS = /http:\/\/[^\s/]+:(\d+)\/\S*mcp\b/;
/** A server that starts at once. */
const ECHO = fixture("../bench/echo_child.ts");
/** A token, as the README writes them. */
const TOKEN = "your-token";
const bearer = { authorization: `Bearer ${TOKEN}` };

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "reader", version: "1" },
  },
};

// ---- what the README says ----

/** The text under a heading, up to the next one. */
function section(heading: string): string {
  const from = readme.indexOf(`\n${heading}\n`);
  assert(from >= 0, `The README has no "${heading}"`);
  const text = readme.slice(from + heading.length + 2);
  const end = text.search(/^#+ /m);
  return end < 0 ? text : text.slice(0, end);
}

/** The code blocks of a language under a heading. */
function blocks(heading: string, language: string): string[] {
  const fence = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms");
  return [...section(heading).matchAll(fence)].map(([, code = ""]) => code);
}

/** The commands under a heading, a line each. */
function commands(heading: string): string[] {
  const lines = blocks(heading, "sh").flatMap((code) => code.split("\n"));
  return lines.filter((line) => line.trim() !== "");
}

/** What stands in code quotes in the first cells of the tables under a heading. */
function firstCells(heading: string): string[] {
  const rows = section(heading).matchAll(/^\| ([^|]*`[^|]*)\|/gm);
  return [...rows].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word)
  );
}

/** A command line with the program under test, and the variables before it. */
function parse(line: string): { words: string[]; env: Record<string, string> } {
  let words = splitWords(line);
  const env: Record<string, string> = {};
  while (/^\w+=/.test(words[0] ?? "")) {
    const word = words.shift() ?? "";
    env[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
  }
  // npx passes no signal on, so what it runs is run without it here.
  if (words[0] === "npx") words.splice(0, 3, Deno.execPath());
  words = words.flatMap((word) => word === "mcp-proxy" ? program() : [word]);
  return { words, env };
}

/** Writes the config under a heading into a folder of its own, and gives the file's path. */
async function configFile(
  heading: string,
): Promise<{ path: string; name: string; remove: () => Promise<void> }> {
  const [config = ""] = blocks(heading, "jsonc");
  const [, name = ""] = /^\/\/ (\S+)$/m.exec(config) ?? [];
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, config.replace("127.0.0.1:9090", LOOPBACK));
  const remove = () => Deno.remove(folder, { recursive: true });
  return { path, name, remove };
}

const LOOPBACK = "127.0.0.1:0";

/** Uses what has been started, and ends it. */
async function during(
  running: Running,
  use: () => Promise<void>,
): Promise<void> {
  try {
    await use();
  } finally {
    assertEquals(await running.stop(), 0);
  }
}

/** Looks for a server's answer to a client's first message. */
async function greet(
  url: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const response = await post(url, INITIALIZE, headers);
  const text = await response.text();
  assertEquals(response.status, 200, text);
  assert(text.includes("serverInfo"), text);
}

// ---- tables ----

for (const command of ["serve", "bridge", "aggregate", "ask"]) {
  Deno.test(`the README's flags of ${command} are those of its help`, async () => {
    const { stdout } = await run([command, "--help"]);
    const told = section(`### Flags of \`${command}\``) +
      section("### Flags of all four");
    const table = told.split("\n").filter((line) => line.startsWith("|"));
    assertEquals(
      flags(table.join("\n"), /--([a-z][a-z-]*)/g),
      flags(stdout, /^ {2}(?:-\w, | {4})--(?:\[no-\])?([a-z][a-z-]*)/gm),
    );
  });
}

/** The flags that a text names. */
function flags(text: string, pattern: RegExp): string[] {
  const names = [...text.matchAll(pattern)].map(([, name = ""]) => name);
  return [...new Set(names)].filter((name) => !name.startsWith("no-")).sort();
}

Deno.test("the README's variables are those of the help", async () => {
  const told = firstCells("### Environment");
  for (const command of ["serve", "bridge", "aggregate", "ask"]) {
    const { stdout } = await run([command, "--help"]);
    for (const [name] of stdout.matchAll(/\b[A-Z]+(?:_[A-Z]+)+\b/g)) {
      assert(told.includes(name), `${command}: ${name}`);
    }
  }
});

Deno.test("the README's keys of the config are those of its schema", async () => {
  const { stdout } = await run(["aggregate", "--schema"]);
  const { mcpProxy, mcpServers } = JSON.parse(stdout).properties;
  const server = mcpServers.additionalProperties.properties;
  const keys = [mcpProxy.properties, server, server.options.properties]
    .flatMap((properties) => Object.keys(properties));
  const told = firstCells("### Config of `aggregate`");
  const head = ["mcpProxy", "options"];
  assertEquals(told.toSorted(), [...keys, ...head].toSorted());
});

Deno.test("the README's routes are there", async (t) => {
  await t.step("serve", async () => {
    const serving = await startListening(
      [...program(), "serve", "--", ...ECHO],
      ADDRESS,
    );
    await during(serving, async () => {
      for (const route of firstCells("### Routes of `serve`")) {
        const absent = await statusOf(serving.url, route) === 404;
        assertEquals(absent, route.includes("NAME"), route);
      }
    });
  });
  await t.step("aggregate", async () => {
    await during(await startAggregate(), async () => {
      const origin = aggregated;
      for (const route of firstCells("### Routes of `aggregate`")) {
        if (!route.startsWith("/")) continue;
        const path = route.replace("NAME", "echo").replace("TOKEN", TOKEN);
        const status = await statusOf(origin, path);
        assert(status !== 404 && status !== 401, `${route}: ${status}`);
      }
      assertEquals(await statusOf(origin, "/other/mcp"), 404);
    });
  });
});

async function statusOf(origin: string, route: string): Promise<number> {
  const response = await fetch(new URL(route, origin), {
    headers: { accept: "text/event-stream", ...bearer },
  });
  await response.body?.cancel();
  return response.status;
}

let aggregated = "";

/** Starts an `aggregate` of a server that wants a token; `aggregated` is its address. */
async function startAggregate(): Promise<Running> {
  const folder = await Deno.makeTempDir();
  const [command, ...args] = ECHO;
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({
      mcpProxy: {
        addr: LOOPBACK,
        type: "streamable-http",
        options: { authTokens: [TOKEN] },
      },
      mcpServers: { echo: { command, args } },
    }),
  );
  const running = await startListening([
    ...program(),
    ...["aggregate", "--no-watch", "--config", `${folder}/config.json`],
  ], ADDRESS);
  await Deno.remove(folder, { recursive: true });
  aggregated = running.url;
  return running;
}

// ---- commands ----

Deno.test("the README's servers can be served", async (t) => {
  const config = await configFile("## serve");
  const lines = [...commands("## Run"), ...commands("## serve")];
  assert(lines.length >= 5, lines.join("\n"));
  for (const line of lines) {
    await t.step(line, async () => {
      const { words, env } = parse(
        line.replace("--port 8080", "--port 0")
          .replace(config.name, config.path)
          .replace(" main.ts ", ` ${root}/main.ts `),
      );
      const serving = await startListening(words, ADDRESS, env);
      await during(serving, async () => {
        await greet(serving.url);
        for (const route of ["/status", "/healthz", "/readyz", "/metrics"]) {
          assertEquals(await statusOf(serving.url, route), 200, route);
        }
      });
    });
  }
  await config.remove();
});

Deno.test("the README's bridges can be crossed", async (t) => {
  for (const line of commands("## bridge")) {
    await t.step(line, async () => {
      const remote = startRemote(
        line.includes("--client-id")
          ? { oauth: { clientId: "me", clientSecret: "…" } }
          : {},
      );
      const { words, env } = parse(
        line.replace("http://127.0.0.1:8080/sse", remote.sseUrl)
          .replace("http://127.0.0.1:8080/mcp", remote.url)
          .replace("https://login.example.com/token", remote.tokenUrl)
          .replace("https://example.com/mcp", remote.url),
      );
      try {
        await host(words, env);
      } finally {
        await remote.close();
      }
    });
  }
});

/** Runs a command as clients do, and looks for the answer to a client's first message. */
async function host(
  words: string[],
  env: Record<string, string>,
): Promise<void> {
  const [file = "", ...args] = words;
  const child = new Deno.Command(file, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const line = `${JSON.stringify(INITIALIZE)}\n`;
  await writer.write(new TextEncoder().encode(line));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, text(stderr));
  const answer = JSON.parse(text(stdout));
  assert(answer.result?.serverInfo, text(stdout));
}

Deno.test("the README's servers can be aggregated", async (t) => {
  const config = await configFile("## aggregate");
  const [line = "", ...telling] = commands("## aggregate");
  await t.step(line, async () => {
    const { words } = parse(line.replace(config.name, config.path));
    const serving = await startListening(words, ADDRESS);
    await during(serving, async () => {
      const refused = await post(serving.url, INITIALIZE);
      await refused.body?.cancel();
      assertEquals(refused.status, 401);
      const session = await Session.open(serving.url, { headers: bearer });
      const names = await toolsOf(session, ["files", "memory"]);
      const { told, untold } = namesIn(section("## aggregate"));
      assert(told.length > 0 && untold.length > 0);
      for (const name of told) assert(names.includes(name), name);
      for (const name of untold) assert(!names.includes(name), name);
      assertEquals(
        names.filter((name) => /^files__(?:write|edit)_/.test(name)),
        [],
      );
      const page = await fetch(new URL("/", serving.url), {
        headers: { authorization: `Basic ${btoa(`me:${TOKEN}`)}` },
      });
      assert((await page.text()).includes("read_text_file"));
    });
  });
  for (const line of telling) {
    await t.step(line, async () => {
      // The URL for clients has a port, so it is asked of the config as it stands.
      const text = await Deno.readTextFile(config.path);
      await Deno.writeTextFile(
        config.path,
        text.replace(LOOPBACK, "127.0.0.1:9090"),
      );
      const { words } = parse(line.replace(config.name, config.path));
      const { code, stdout } = await run(words.slice(program().length));
      assertEquals(code, 0);
      assert(/^(?:Config OK: 3 MCP|\{)/.test(stdout), stdout);
    });
  }
  await config.remove();
});

/** The names of tools in a text: those that are said to be there, and those that are said not to. */
function namesIn(text: string): { told: string[]; untold: string[] } {
  const names = [...text.matchAll(/`((?:files|memory)__\w+)`(\s+is\s+not)?/g)];
  const pick = (absent: boolean) =>
    names.filter(([, , not]) => (not !== undefined) === absent)
      .map(([, name = ""]) => name);
  return { told: pick(false), untold: pick(true) };
}

/** The tools of a combined endpoint, as soon as these servers are there. */
async function toolsOf(
  session: Session,
  servers: string[],
): Promise<string[]> {
  for (let id = 2;; id++) {
    const { message } = await session.send({
      jsonrpc: "2.0",
      id,
      method: "tools/list",
    });
    const names: string[] = message.result.tools.map(({ name }: Message) =>
      name
    );
    const all = servers.every((server) =>
      names.some((name) => name.startsWith(`${server}__`))
    );
    if (all || id > 100) return names;
    await new Promise((done) => setTimeout(done, 100));
  }
}

Deno.test("the README's model can be asked", async (t) => {
  const [check = "", share = ""] = commands("## ask");
  const fake = await startFakeMessages();
  const known = (line: string) =>
    parse(
      line.replace("https://api.anthropic.com", fake.url)
        .replace("API_KEY=…", `API_KEY=${FAKE_KEY}`)
        .replace("--port 8080", "--port 0"),
    );
  await t.step(check, async () => {
    const { words, env } = known(check);
    const { code, stderr } = await run(words.slice(program().length), "", env);
    assertEquals(code, 0, stderr);
    assertEquals(fake.asked.length, 1);
  });
  await t.step(share, async () => {
    const { words, env } = known(share);
    const serving = await startListening(words, ADDRESS, env);
    await during(serving, async () => {
      const session = await Session.open(serving.url);
      const text = await session.call("ask_model", { prompt: "Hi" });
      const [shown = ""] = blocks("## ask", "json");
      const keys = (json: string) => Object.keys(JSON.parse(json));
      assertEquals(keys(text), keys(shown));
      const { message } = await session.send({
        jsonrpc: "2.0",
        id: 2,
        method: "tools/list",
      });
      const [tool] = message.result.tools;
      assertEquals(
        Object.keys(tool.inputSchema.properties),
        firstCells("## ask"),
      );
    });
  });
  await fake.close();
});

// ---- clients ----

const ENTRIES = "## In a client's configuration";

for (const [index, code] of blocks(ENTRIES, "json").entries()) {
  const { mcpServers } = JSON.parse(code);
  for (const [name, entry] of Object.entries<Message>(mcpServers)) {
    const way = entry.url ?? [entry.command, ...entry.args].join(" ");
    Deno.test(`entry ${index + 1} of the README's, ${name}, works: ${way}`, () =>
      entry.url ? visit(entry) : start(entry));
  }
}

Deno.test("the README has an entry for each command", () => {
  const code = blocks(ENTRIES, "json").join("");
  const entries = ['"bridge"', '"ask"', ":8080/mcp", ":9090/mcp"];
  for (const one of entries) assert(code.includes(one), one);
});

/** Uses an entry with a URL, when what it is for runs. */
async function visit({ url, headers = {} }: Message): Promise<void> {
  const { port, pathname } = new URL(url);
  const running = await serverAt(port);
  await during(
    running,
    () => greet(new URL(pathname, running.url).href, headers),
  );
}

/** What the README has at a port: `serve`, or `aggregate`. */
function serverAt(port: string): Promise<Running> {
  if (port === "9090") return startAggregate();
  assertEquals(port, "8080");
  return startListening([...program(), "serve", "--", ...ECHO], ADDRESS);
}

/** Starts an entry with a command. */
async function start({ command, args, env }: Message): Promise<void> {
  const url = args.at(-1);
  const words = [command, ...args].flatMap((word: string) =>
    word === "mcp-proxy"
      ? program()
      : [word.replace("/path/to/mcp-proxy", root)]
  );
  if (/^http:\/\/127/.test(url)) {
    const running = await serverAt(new URL(url).port);
    await during(
      running,
      () => host([...words.slice(0, -1), running.url], env),
    );
  } else if (/^https:/.test(url)) {
    const remote = startRemote({ token: env.API_ACCESS_TOKEN });
    try {
      await host([...words.slice(0, -1), remote.url], env);
    } finally {
      await remote.close();
    }
  } else {
    const fake = await startFakeMessages();
    try {
      await host(words, { ...env, CLAUDE_MCP_BASE_URL: fake.url });
    } finally {
      await fake.close();
    }
  }
}
