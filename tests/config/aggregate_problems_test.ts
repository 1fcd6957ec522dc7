import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { run } from "../../lib/aggregate.ts";
import { run as runProgram } from "../program.ts";
import { parseAggregateConfig } from "../../lib/config/aggregate_config.ts";
import { ConfigError } from "../../lib/config/config_file.ts";
import { log } from "../../lib/log.ts";
import { emptyWorld } from "../world.ts";

const NAMES = (name: string) => ({ mcpServers: { [name]: { command: "x" } } });
const SERVER = (entry: unknown) => ({ mcpServers: { s: entry } });
const OPTIONS = (options: unknown) => SERVER({ command: "x", options });
const PROXY = (mcpProxy: unknown) => ({ mcpProxy, mcpServers: {} });
const CLIENT = (client: unknown) => ({ server: {}, clients: { s: client } });

const ADDRESS = 'must be an address such as ":9090" or "127.0.0.1:9090"';
const DURATION = "must be a duration such as 30s, 500ms, 5m or 1h30m";

/** Bad configs, each with the one problem that is told. */
const MATRIX: [config: unknown, problem: string][] = [
  ["", "it is empty"],
  [
    "{",
    "it is no JSON: it ends too early; is a bracket or a quote not closed?",
  ],
  ['{"mcpServers": {,}}', 'it is no JSON: line 1, column 17: unexpected ","'],
  ["[]", 'it must be an object with "mcpServers" in it'],
  ["7", 'it must be an object with "mcpServers" in it'],
  [
    {},
    'mcpServers is missing: list the servers in it, as in {"mcpServers": {"fetch": {"command": "uvx", "args": ["mcp-server-fetch"]}}}',
  ],
  [
    { mcpServers: [] },
    "mcpServers must be an object with a server under each name",
  ],
  [{ clients: 7 }, "clients must be an object with a server under each name"],
  [PROXY([]), "mcpProxy must be an object, not a list"],
  [PROXY({ addr: "9090" }), `mcpProxy.addr ${ADDRESS}, not "9090"`],
  [PROXY({ addr: 9090 }), "mcpProxy.addr must be a string, not 9090"],
  [PROXY({ addr: ":99999" }), `mcpProxy.addr ${ADDRESS}, not ":99999"`],
  [PROXY({ addr: "::1:9090" }), `mcpProxy.addr ${ADDRESS}, not "::1:9090"`],
  [PROXY({ addr: "h:http" }), `mcpProxy.addr ${ADDRESS}, not "h:http"`],
  [
    PROXY({ baseURL: "ftp://h" }),
    'mcpProxy.baseURL must be an http(s) URL such as https://mcp.example.com, not "ftp://h"',
  ],
  [
    PROXY({ baseURL: "https://" }),
    'mcpProxy.baseURL must be an http(s) URL such as https://mcp.example.com, not "https://"',
  ],
  [
    PROXY({ baseURL: "https://u:pw@h" }),
    "mcpProxy.baseURL must not hold a user or a password: clients send a token from authTokens instead",
  ],
  [PROXY({ baseURL: 7 }), "mcpProxy.baseURL must be a string, not 7"],
  [PROXY({ name: [] }), "mcpProxy.name must be a string, not a list"],
  [PROXY({ version: 1 }), "mcpProxy.version must be a string, not 1"],
  [
    PROXY({ type: "websocket" }),
    'mcpProxy.type must be sse or streamable-http, not "websocket"',
  ],
  [PROXY({ options: "x" }), 'mcpProxy.options must be an object, not "x"'],
  [
    PROXY({ options: { authTokens: "abc" } }),
    "mcpProxy.options.authTokens must be a list, not this text",
  ],
  [
    PROXY({ options: { panicIfInvalid: "yes" } }),
    'mcpProxy.options.panicIfInvalid must be true or false, not "yes"',
  ],
  [
    PROXY({ options: { logEnabled: 1 } }),
    "mcpProxy.options.logEnabled must be true or false, not 1",
  ],
  [
    PROXY({ name: "${NAME}" }),
    "mcpProxy.name uses the variable NAME, which is not set: set it, or write ${NAME:-default}, or $$ for a $",
  ],
  [SERVER(null), "mcpServers.s must be an object, not null"],
  [SERVER("npx"), 'mcpServers.s must be an object, not "npx"'],
  [SERVER({}), "mcpServers.s needs a command or a url"],
  [SERVER({ command: "" }), "mcpServers.s.command must not be empty"],
  [
    SERVER({ command: ["npx"] }),
    "mcpServers.s.command must be a string, not a list",
  ],
  [
    SERVER({ command: "x", args: "-y" }),
    'mcpServers.s.args must be a list, not "-y"',
  ],
  [
    SERVER({ command: "x", args: ["a", 7] }),
    "mcpServers.s.args[1] must be a string, not 7",
  ],
  [
    SERVER({ command: "x", env: [] }),
    "mcpServers.s.env must be an object, not a list",
  ],
  [
    SERVER({ command: "x", env: { KEY: { a: 1 } } }),
    "mcpServers.s.env.KEY must be a string, not an object",
  ],
  [
    SERVER({ command: "x", env: { "A=B": "c" } }),
    'mcpServers.s.env["A=B"] must be a name without "="',
  ],
  [
    SERVER({ command: "x", cwd: 7 }),
    "mcpServers.s.cwd must be a string, not 7",
  ],
  [
    SERVER({ transportType: "stdio" }),
    "mcpServers.s.command is missing: name the program that a stdio server is",
  ],
  [
    SERVER({ transportType: "streamable-http" }),
    "mcpServers.s.url is missing: streamable-http needs one",
  ],
  [
    SERVER({ url: "http://x", transportType: "carrier pigeon" }),
    'mcpServers.s.transportType must be stdio, sse, streamable-http or auto, not "carrier pigeon"',
  ],
  [
    SERVER({ url: "mcp.example.com" }),
    'mcpServers.s.url must be an http(s) URL, not "mcp.example.com"',
  ],
  [
    SERVER({ url: "http://x", headers: { "a b": "c" } }),
    'mcpServers.s.headers["a b"] is no name of a header',
  ],
  [
    SERVER({ url: "http://x", headers: { Authorization: "a\nb" } }),
    "mcpServers.s.headers.Authorization must not hold a line break",
  ],
  [
    SERVER({ url: "http://x", timeout: "soon" }),
    `mcpServers.s.timeout ${DURATION}, not "soon"`,
  ],
  [
    SERVER({ url: "http://x", timeout: -1 }),
    `mcpServers.s.timeout ${DURATION}, not -1`,
  ],
  [
    SERVER({ url: "http://x", timeout: 1e18 }),
    "mcpServers.s.timeout must be at most 24 days, not 1000000000000000000",
  ],
  [
    SERVER({ url: "http://x", timeout: {} }),
    "mcpServers.s.timeout must be a duration such as 30s, not an object",
  ],
  [
    SERVER({ command: "x", isolation: "jail" }),
    'mcpServers.s.isolation must be session or shared, not "jail"',
  ],
  [
    SERVER({ command: "x", disabled: "yes" }),
    'mcpServers.s.disabled must be true or false, not "yes"',
  ],
  [
    OPTIONS({ authTokens: ["Bearer abc"] }),
    'mcpServers.s.options.authTokens[0] must not hold spaces: give the token alone, without "Bearer"',
  ],
  [
    OPTIONS({ authTokens: [""] }),
    "mcpServers.s.options.authTokens[0] must not be empty",
  ],
  [
    OPTIONS({ prefix: "gh" }),
    'mcpServers.s.options.prefix must be true or false, not "gh"',
  ],
  [
    OPTIONS({ toolFilter: ["a"] }),
    "mcpServers.s.options.toolFilter must be an object, not a list",
  ],
  [
    OPTIONS({ toolFilter: { mode: "allow", list: "a" } }),
    'mcpServers.s.options.toolFilter.list must be a list, not "a"',
  ],
  [
    OPTIONS({ toolFilter: { mode: 1, list: ["a"] } }),
    "mcpServers.s.options.toolFilter.mode must be a string, not 1",
  ],
  [
    OPTIONS({ forwardHeaders: ["X-*"] }),
    'mcpServers.s.options.forwardHeaders[0] must be the name of one header, without *, not "X-*"',
  ],
  [
    OPTIONS({ forwardHeaders: ["Host"] }),
    'mcpServers.s.options.forwardHeaders[0] must be a header that can be passed on, not "Host"',
  ],
  [
    SERVER({ command: "x", env: { TOKEN: "${GITHUB_TOKEN}" } }),
    "mcpServers.s.env.TOKEN uses the variable GITHUB_TOKEN, which is not set: set it, or write ${GITHUB_TOKEN:-default}, or $$ for a $",
  ],
  [
    SERVER({ url: "$NO_URL" }),
    "mcpServers.s.url uses the variable NO_URL, which is not set: set it, or write ${NO_URL:-default}, or $$ for a $",
  ],
  [
    SERVER({ command: "x", args: ["${input:token}"] }),
    'mcpServers.s.args[0] holds "${input:token}", which is no variable: write ${NAME} or ${NAME:-default}, or $$ for a $',
  ],
  [
    SERVER({ command: "x", args: ["a${b"] }),
    'mcpServers.s.args[0] holds "${" without "}": close it, or write $$ for a $',
  ],
  [NAMES(""), 'The name of mcpServers[""] must not be empty'],
  [NAMES("/a"), "The name of mcpServers./a must not start or end with a slash"],
  [
    NAMES("a//b"),
    "The name of mcpServers.a//b must not hold two slashes in a row",
  ],
  [
    NAMES("a/../b"),
    'The name of mcpServers["a/../b"] must not have ".." between slashes',
  ],
  [
    NAMES("a?b"),
    'The name of mcpServers["a?b"] must not hold ?, # or a backslash',
  ],
  [
    NAMES("a\\b"),
    'The name of mcpServers["a\\\\b"] must not hold ?, # or a backslash',
  ],
  [
    NAMES("a\nb"),
    'The name of mcpServers["a\\nb"] must not hold control characters',
  ],
  [
    NAMES("status"),
    "The name of mcpServers.status is that of the proxy's own route /status: choose another one",
  ],
  [
    { mcpServers: { a: { command: "x" }, "a/mcp": { command: "x" } } },
    "The name of mcpServers.a/mcp is that of a route of mcpServers.a: choose another one",
  ],
  [CLIENT("x"), 'clients.s must be an object, not "x"'],
  [
    CLIENT({ type: "stdio" }),
    "clients.s.config must be an object with the command or the url",
  ],
  [
    CLIENT({ type: "websocket", config: { url: "http://x" } }),
    'clients.s.type must be stdio, sse, streamable-http or auto, not "websocket"',
  ],
  [
    CLIENT({ type: "stdio", config: { command: "x", args: "y" } }),
    'clients.s.config.args must be a list, not "y"',
  ],
  [
    CLIENT({ type: "sse", config: {} }),
    "clients.s.config.url is missing: sse needs one",
  ],
  [
    CLIENT({ config: { command: "x" }, panicIfInvalid: 1 }),
    "clients.s.panicIfInvalid must be true or false, not 1",
  ],
  [
    { server: { globalAuthTokens: [7] }, mcpServers: {} },
    "server.globalAuthTokens[0] must be a string, not 7",
  ],
];

function problems(config: unknown): readonly string[] {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return assertThrows(
    () => parseAggregateConfig(text, "x.json", () => undefined),
    ConfigError,
  ).problems;
}

Deno.test("each bad config is refused with path, value and remedy", () => {
  assert(MATRIX.length >= 40);
  for (const [config, problem] of MATRIX) {
    const [first = "", ...others] = problems(config);
    assertEquals(first, problem);
    for (const other of others) {
      assert(
        /is the old form|is missing, so that/.test(other),
        `${first}\n${other}`,
      );
    }
  }
});

Deno.test("all problems are named in one run, and what is odd after them", () => {
  assertEquals(
    problems({
      mcpProxy: { addr: "x", type: "y" },
      mcpServers: {
        a: { command: "x", args: 7, env: { T: "$NO", U: "${NO2}" } },
        b: { url: "x" },
        c: { comand: "x" },
        mcp: { command: "x" },
        off: { args: 7, url: "$NO", what: 1, options: { disabled: true } },
      },
    }),
    [
      `mcpProxy.addr ${ADDRESS}, not "x"`,
      'mcpProxy.type must be sse or streamable-http, not "y"',
      "mcpServers.a.env.T uses the variable NO, which is not set: set it, or write ${NO:-default}, or $$ for a $",
      "mcpServers.a.env.U uses the variable NO2, which is not set: set it, or write ${NO2:-default}, or $$ for a $",
      "mcpServers.a.args must be a list, not 7",
      'mcpServers.b.url must be an http(s) URL, not "x"',
      "mcpServers.c needs a command or a url",
      "The name of mcpServers.mcp is that of the proxy's own route /mcp: choose another one",
      'mcpServers.c.comand is not known and ignored; did you mean "command"?',
    ],
  );
});

Deno.test("of two lists of tokens in the old form, the one that is wrong is named", () => {
  const [problem] = problems({
    server: { globalAuthTokens: ["fine", "not fine"] },
    clients: { s: { config: { command: "x" }, authTokens: ["fine"] } },
  });
  assertEquals(
    problem,
    'server.globalAuthTokens[1] must not hold spaces: give the token alone, without "Bearer"',
  );
});

Deno.test("no value of a secret is in a problem", () => {
  const secret = "s3cr3t-v4lue";
  const text = problems({
    mcpProxy: { options: { authTokens: secret } },
    mcpServers: {
      a: { command: "x", env: secret, options: { authTokens: [{ secret }] } },
      b: { url: "http://x", headers: secret },
      c: { url: `ftp://u:${secret}@h/?a=${secret}` },
      d: { command: "x", args: ["${" + secret + "}!", "${x " + secret + "}"] },
    },
  }).join("\n").replaceAll("${" + secret + "}", "");
  assert(!text.includes(secret), text);
});

Deno.test("with a bad config, no server is started", async () => {
  log.configure({ level: "error" });
  const dir = await Deno.makeTempDir();
  try {
    const marker = `${dir}/started`;
    const file = `${dir}/config.json`;
    const good = { command: "touch", args: [marker] };
    const world = emptyWorld({
      print: () => assert(false, "nothing is printed"),
    });
    for (
      const [config] of MATRIX.filter(([config]) => typeof config === "object")
    ) {
      const { mcpServers } = config as { mcpServers?: object };
      const servers = Array.isArray(mcpServers)
        ? mcpServers
        : { good, ...mcpServers };
      const whole = {
        ...config as object,
        ...mcpServers ? { mcpServers: servers } : {},
      };
      await Deno.writeTextFile(file, JSON.stringify(whole));
      for (
        const args of [["-config", file], ["--config", file, "-check-config"]]
      ) {
        await assertRejects(() => run(args, world), ConfigError);
      }
    }
    await assertRejects(() => Deno.stat(marker), Deno.errors.NotFound);
  } finally {
    await Deno.remove(dir, { recursive: true });
    log.configure({ level: "info" });
  }
});

Deno.test("from outside, a bad config is exit code 1, and the problems are on stderr", async () => {
  const dir = await Deno.makeTempDir();
  try {
    const file = `${dir}/config.json`;
    const config = { mcpServers: { a: { command: "x", args: "y" }, b: {} } };
    await Deno.writeTextFile(file, JSON.stringify(config));
    for (
      const args of [
        ["aggregate", "-check-config", "-config", file],
        ["-config", file],
      ]
    ) {
      const { code, stdout, stderr } = await runProgram(args);
      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, `Cannot read config "${file}": 2 problems`);
      assertStringIncludes(
        stderr,
        'mcpServers.a.args must be a list, not "y"',
      );
      assertStringIncludes(stderr, "mcpServers.b needs a command or a url");
    }
    await Deno.writeTextFile(file, '{"mcpServers": {"a": {"command": "x"}}}');
    const good = await runProgram(["-check-config", "-config", file]);
    assertEquals(
      [good.code, good.stdout],
      [0, "Config OK: 1 MCP server(s) configured\n"],
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
