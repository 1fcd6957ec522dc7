import { assert, assertEquals } from "@std/assert";
import { splitWords } from "../lib/config/words.ts";
import { startRemote } from "./fixtures/remote_server.ts";
import { fixture, program, run, startListening } from "./program.ts";

const root = `${import.meta.dirname}/..`;
const readme = await Deno.readTextFile(`${root}/README.md`);

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

/** The flags that a text names. */
function flags(text: string, pattern: RegExp): string[] {
  const names = [...text.matchAll(pattern)].map(([, name = ""]) => name);
  return [...new Set(names)].filter((name) => !name.startsWith("no-")).sort();
}

for (const command of ["serve", "bridge"]) {
  Deno.test(`the README's flags of ${command} are those of its help`, async () => {
    const { stdout } = await run([command, "--help"]);
    const told = section(`### Flags of \`${command}\``) +
      section("### Flags of both");
    const table = told.split("\n").filter((line) => line.startsWith("|"));
    assertEquals(
      flags(table.join("\n"), /--([a-z][a-z-]*)/g),
      flags(stdout, /^ {2}(?:-\w, | {4})--([a-z][a-z-]*)/gm),
    );
  });
}

/** A command line with the program under test, and the variables before it. */
function parse(line: string): { words: string[]; env: Record<string, string> } {
  const words = splitWords(line);
  const env: Record<string, string> = {};
  while (/^\w+=/.test(words[0] ?? "")) {
    const word = words.shift() ?? "";
    env[word.slice(0, word.indexOf("="))] = word.slice(word.indexOf("=") + 1);
  }
  if (words[0] === "mcp-proxy") words.splice(0, 1, ...program());
  // npx passes no signal on, so what it runs is run without it here.
  if (words[0] === "npx") words.splice(0, 3, Deno.execPath());
  return { words, env };
}

Deno.test("the README's servers can be served", async (t) => {
  const folder = await Deno.makeTempDir();
  const config = blocks("## serve", "jsonc").join("");
  await Deno.writeTextFile(`${folder}/servers.json`, config);
  const lines = [...commands("## Run"), ...commands("## serve")];
  assert(lines.length >= 5, lines.join("\n"));
  for (const line of lines) {
    await t.step(line, async () => {
      const { words, env } = parse(
        line.replace("--port 8080", "--port 0")
          .replace("servers.json", `${folder}/servers.json`)
          .replace(" main.ts ", ` ${root}/main.ts `),
      );
      const address = /http:\/\/[^\s/]+:(\d+)\/\S*mcp\b/;
      const serving = await startListening(words, address, env);
      try {
        const response = await fetch(serving.url, {
          method: "POST",
          headers: {
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
          },
          body: INITIALIZE,
        });
        const text = await response.text();
        assertEquals(response.status, 200, text);
        assert(text.includes("serverInfo"), text);
        for (const route of ["/status", "/healthz", "/readyz", "/metrics"]) {
          const page = await fetch(new URL(route, serving.url));
          await page.body?.cancel();
          assertEquals(page.status, 200, route);
        }
      } finally {
        assertEquals(await serving.stop(), 0);
      }
    });
  }
  await Deno.remove(folder, { recursive: true });
});

const INITIALIZE = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-06-18",
    capabilities: {},
    clientInfo: { name: "reader", version: "1" },
  },
});

/** Runs a command that bridges, and looks for the answer to a client's first message. */
async function bridge(
  [file = "", ...args]: string[],
  env: Record<string, string>,
): Promise<void> {
  const child = new Deno.Command(file, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`${INITIALIZE}\n`));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(code, 0, text(stderr));
  const answer = JSON.parse(text(stdout));
  assert(answer.result?.serverInfo, text(stdout));
}

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
        await bridge(words, env);
      } finally {
        await remote.close();
      }
    });
  }
});

Deno.test("the README's client entries work", async (t) => {
  const entries = blocks("## bridge", "json").map((code) => JSON.parse(code));
  assertEquals(entries.length, 2);
  for (const { mcpServers: { remote: entry } } of entries) {
    await t.step(entry.command, async () => {
      const remote = startRemote({ token: entry.env.API_ACCESS_TOKEN });
      const words: string[] = [entry.command, ...entry.args].map((word) =>
        word === "https://example.com/mcp" ? remote.url : word
      ).map((word) => word.replace("/path/to/mcp-proxy", root));
      if (words[0] === "mcp-proxy") words.splice(0, 1, ...program());
      try {
        await bridge(words, entry.env);
      } finally {
        await remote.close();
      }
    });
  }
});

Deno.test("the README's routes are there", async () => {
  const child = fixture("../bench/echo_child.ts");
  const serving = await startListening(
    [...program(), "serve", "--", ...child],
    /http:\/\/[^\s/]+:(\d+)\/\S*mcp\b/,
  );
  const told = routesOf(section("### Routes of `serve`"));
  try {
    for (const route of told) {
      const response = await fetch(new URL(route, serving.url), {
        headers: { accept: "text/event-stream" },
      });
      await response.body?.cancel();
      const absent = response.status === 404;
      assertEquals(absent, route.includes("NAME"), route);
    }
  } finally {
    assertEquals(await serving.stop(), 0);
  }
});

function routesOf(table: string): string[] {
  const firstCells = [...table.matchAll(/^\| (`\/[^|]*)\|/gm)];
  return firstCells.flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, route = ""]) => route)
  );
}
