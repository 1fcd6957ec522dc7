import {
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { ConfigError } from "../../lib/config/config_file.ts";
import {
  type NamedServers,
  parseNamedServers,
  readNamedServers,
} from "../../lib/config/named_servers.ts";
import { namedServer, nameProblem } from "../../lib/config/server_spec.ts";
import { mask } from "../../lib/log.ts";

function read(config: unknown): NamedServers {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return parseNamedServers(text, "x.json");
}

function problems(config: unknown): readonly string[] {
  return assertThrows(() => read(config), ConfigError).problems;
}

Deno.test("the file that the old documentation shows is read", () => {
  const { servers, disabled, warnings } = read(`\uFEFF{
    // as shown
    "mcpServers": {
      "fetch": {
        "disabled": false,
        "timeout": 60,
        "command": "uvx",
        "args": ["mcp-server-fetch"],
        "transportType": "stdio",
      },
      "github": {
        "enabled": true,
        "command": "npx",
        "args": ["-y", "@modelcontextprotocol/server-github"],
      },
    },
  }`);
  assertEquals(servers, [
    {
      name: "fetch",
      kind: "stdio",
      command: "uvx",
      args: ["mcp-server-fetch"],
      env: {},
      timeoutMs: 60_000,
    },
    {
      name: "github",
      kind: "stdio",
      command: "npx",
      args: ["-y", "@modelcontextprotocol/server-github"],
      env: {},
    },
  ]);
  assertEquals([disabled, warnings], [[], []]);
});

Deno.test("environment, directory, isolation and remote servers are read", () => {
  const { servers } = read({
    mcpServers: {
      "a/b": {
        command: "x",
        env: { PORT: 8080, ON: true, NAME: "n" },
        cwd: "/tmp",
        isolation: "shared",
        timeout: "1m30s",
      },
      far: {
        url: "https://x/mcp",
        transportType: "streamableHttp",
        headers: { "X-A": "1" },
      },
      sse: { url: "HTTP://x/sse", type: "sse", timeout: 0 },
      open: { url: "http://x" },
    },
  });
  assertEquals(servers, [
    {
      name: "a/b",
      kind: "stdio",
      command: "x",
      args: [],
      env: { PORT: "8080", ON: "true", NAME: "n" },
      cwd: "/tmp",
      timeoutMs: 90_000,
      isolation: "shared",
    },
    {
      name: "far",
      kind: "remote",
      url: "https://x/mcp",
      transport: "streamable-http",
      headers: { "X-A": "1" },
    },
    {
      name: "sse",
      kind: "remote",
      url: "HTTP://x/sse",
      transport: "sse",
      headers: {},
    },
    {
      name: "open",
      kind: "remote",
      url: "http://x",
      transport: "auto",
      headers: {},
    },
  ]);
});

Deno.test("servers that are switched off are skipped, whatever else is wrong with them", () => {
  const { servers, disabled } = read({
    mcpServers: {
      a: { disabled: true, args: 7 },
      b: { enabled: false },
      c: { command: "x", disabled: false, enabled: true },
    },
  });
  assertEquals(servers.map(({ name }) => name), ["c"]);
  assertEquals(disabled, ["a", "b"]);
});

Deno.test("every problem is named with its path, in one run", () => {
  assertEquals(
    problems({
      mcpServers: {
        fetch: { command: "x", args: "y" },
        two: { command: "", args: ["a", 1], env: { A: null, "B=C": "" } },
        three: null,
        four: {},
        five: { transportType: "sse" },
        six: { transportType: "stdio", url: "http://x" },
        seven: { url: "ftp://x" },
        eight: { command: "x", timeout: "soon", transportType: "carrier" },
        "..": { command: "x" },
        "a b": { command: "x", enabled: "yes", env: null, isolation: "none" },
        nine: { url: "http://x", headers: { "a b": "c", d: "e\nf" } },
      },
    }),
    [
      'mcpServers.fetch.args must be a list, not "y"',
      "mcpServers.two.command must not be empty",
      "mcpServers.two.args[1] must be a string, not 1",
      "mcpServers.two.env.A must be a string, not null",
      'mcpServers.two.env["B=C"] must be a name without "="',
      "mcpServers.three must be an object",
      "mcpServers.four needs a command or a url",
      "mcpServers.five.url is missing: sse needs one",
      "mcpServers.six.command is missing: name the program that a stdio server is",
      'mcpServers.seven.url must be an http(s) URL, not "ftp://x"',
      'mcpServers.eight.transportType must be stdio, sse, streamable-http or auto, not "carrier"',
      'mcpServers.eight.timeout must be a duration such as 30s, 500ms, 5m or 1h30m, not "soon"',
      'The name of mcpServers[".."] must not have ".." between slashes',
      'mcpServers["a b"].env must be an object, not null',
      'mcpServers["a b"].isolation must be session or shared, not "none"',
      'mcpServers["a b"].enabled must be true or false, not "yes"',
      'mcpServers.nine.headers["a b"] is no name of a header',
      "mcpServers.nine.headers.d must not hold a line break",
    ],
  );
});

Deno.test("a misspelt key is a warning that says what was meant", () => {
  const { warnings } = read({
    mcpServer: {},
    mcpServers: { a: { command: "x", Args: [], timeout: 5000, colour: 1 } },
  });
  assertEquals(warnings, [
    'mcpServer is not known and ignored; did you mean "mcpServers"?',
    'mcpServers.a.Args is not known and ignored; did you mean "args"?',
    "mcpServers.a.colour is not known and ignored",
    'mcpServers.a.timeout: 5000 is read as 5s; write "5s"',
  ]);
});

Deno.test("a file that is no config is refused with the reason", () => {
  assertEquals(problems("{}"), ['it has no "mcpServers" object']);
  assertEquals(problems("[]"), ['it has no "mcpServers" object']);
  assertEquals(problems({ mcpServers: [] }), ["mcpServers must be an object"]);
  assertEquals(problems(" "), ["it is empty"]);
  assertEquals(problems('{"a": 1,\n "b": ?}'), [
    'it is no JSON: line 2, column 7: unexpected "?"',
  ]);
  assertEquals(problems('{"a": '), [
    "it is no JSON: it ends too early; is a bracket or a quote not closed?",
  ]);
  assertEquals(
    problems('{"mcpServers": {"a": {"env": {"KEY": "unclosed secret}}}}'),
    ["it is no JSON: line 1, column 38: unexpected a text"],
  );
});

Deno.test("the error of a config names the file and lists what is wrong", async () => {
  const error = assertThrows(
    () => read({ mcpServers: { a: {}, b: { comand: "x" } } }),
    ConfigError,
  );
  assertEquals(
    error.message,
    [
      'Cannot read config "x.json": 3 problems',
      "mcpServers.a needs a command or a url",
      "mcpServers.b needs a command or a url",
      'mcpServers.b.comand is not known and ignored; did you mean "command"?',
    ].join("\n"),
  );
  const missing = await assertRejects(
    () => readNamedServers("/no/such/file.json"),
    ConfigError,
  );
  assertStringIncludes(
    missing.message,
    'Cannot read config "/no/such/file.json": there is no such file',
  );
});

Deno.test("secrets of a config are hidden from the log", () => {
  read({
    mcpServers: {
      a: { command: "x", env: { GITHUB_TOKEN: "ghp_abcdef" } },
      b: { url: "http://x", headers: { Authorization: "Bearer zyxwvu" } },
    },
  });
  assertEquals(mask("ghp_abcdef and zyxwvu"), "*** and ***");
});

Deno.test("a named server of the command line is split into its words", () => {
  assertEquals(namedServer("fetch", "uvx 'mcp server' --x"), {
    name: "fetch",
    kind: "stdio",
    command: "uvx",
    args: ["mcp server", "--x"],
    env: {},
  });
  assertThrows(
    () => namedServer("", "x"),
    Error,
    'The name of named server "" must not be empty',
  );
  assertThrows(
    () => namedServer("a", " "),
    Error,
    'The command of named server "a" is empty',
  );
  assertThrows(
    () => namedServer("a", '"" x'),
    Error,
    'The command of named server "a" is empty',
  );
  assertThrows(
    () => namedServer("a", "x '"),
    Error,
    'Cannot read the command of named server "a": a \' is not closed',
  );
});

Deno.test("names that cannot stand in a URL path are refused", () => {
  for (const name of ["fetch", "a/b", "a.b", "...", "ä b"]) {
    assertEquals(nameProblem(name), undefined, name);
  }
  for (const name of ["", "/a", "a/", "a//b", ".", "a/../b", "a\nb", "\x7f"]) {
    assertEquals(typeof nameProblem(name), "string", JSON.stringify(name));
  }
});
