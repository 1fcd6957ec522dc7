import { assertEquals } from "@std/assert";
import { parseAggregateConfig } from "../../lib/config/aggregate_config.ts";
import type { AggregateConfig } from "../../lib/config/aggregate_server.ts";
import { mask } from "../../lib/log.ts";

function read(
  config: unknown,
  env: Record<string, string> = {},
): AggregateConfig {
  const text = typeof config === "string" ? config : JSON.stringify(config);
  return parseAggregateConfig(text, "x.json", (name) => env[name]);
}

const OPEN = {
  panicIfInvalid: false,
  logEnabled: false,
  authTokens: [],
  prefix: true,
  forwardHeaders: [],
};

const DOCUMENTED = await Deno.readTextFile(
  new URL("../fixtures/documented_config.jsonc", import.meta.url),
);

Deno.test("the documented example is read as it stands", () => {
  assertEquals(read(`\uFEFF${DOCUMENTED}`), {
    listen: { host: "0.0.0.0", port: 9090 },
    baseUrl: "https://mcp.example.com",
    basePath: "",
    name: "MCP Proxy",
    version: "1.0.0",
    type: "streamable-http",
    authTokens: ["DefaultTokens"],
    servers: [
      {
        name: "github",
        kind: "stdio",
        command: "npx",
        args: ["-y", "@modelcontextprotocol/server-github"],
        env: { GITHUB_PERSONAL_ACCESS_TOKEN: "<YOUR_TOKEN>" },
        options: {
          ...OPEN,
          logEnabled: true,
          authTokens: ["DefaultTokens"],
          toolFilter: { mode: "block", list: ["create_or_update_file"] },
        },
      },
      {
        name: "fetch",
        kind: "stdio",
        command: "uvx",
        args: ["mcp-server-fetch"],
        env: {},
        options: {
          ...OPEN,
          panicIfInvalid: true,
          authTokens: ["SpecificTokens"],
        },
      },
      {
        name: "amap",
        kind: "remote",
        url: "https://mcp.amap.com/sse?key=<YOUR_TOKEN>",
        transport: "auto",
        headers: {},
        options: { ...OPEN, logEnabled: true, authTokens: ["DefaultTokens"] },
      },
    ],
    disabled: [],
    warnings: [],
  });
  assertEquals(mask("SpecificTokens"), "***");
});

Deno.test("the old form is converted, with all that it says, and a hint", () => {
  const config = read({
    server: {
      baseURL: "https://h/api/",
      addr: "127.0.0.1:9091",
      name: "Old",
      version: "0.9",
      globalAuthTokens: ["global-token"],
    },
    clients: {
      local: {
        type: "stdio",
        config: { command: "x", args: ["a"], env: { A: "1" } },
        panicIfInvalid: true,
        logEnabled: true,
        authTokens: ["own-token", "global-token"],
      },
      "events/t": { type: "sse", config: { url: "http://x/sse" } },
      stream: {
        type: "streamable-http",
        config: { url: "http://x/mcp", headers: { A: "b" }, timeout: 30 },
      },
      bare: { config: { command: "y" }, authTokens: [] },
    },
  });
  const tokens = ["global-token"];
  assertEquals(config, {
    listen: { host: "127.0.0.1", port: 9091 },
    baseUrl: "https://h/api",
    basePath: "/api",
    name: "Old",
    version: "0.9",
    type: "sse",
    authTokens: tokens,
    servers: [
      {
        name: "local",
        kind: "stdio",
        command: "x",
        args: ["a"],
        env: { A: "1" },
        options: {
          ...OPEN,
          panicIfInvalid: true,
          logEnabled: true,
          authTokens: ["own-token", "global-token"],
        },
      },
      {
        name: "events/t",
        kind: "remote",
        url: "http://x/sse",
        transport: "sse",
        headers: {},
        options: { ...OPEN, authTokens: tokens },
      },
      {
        name: "stream",
        kind: "remote",
        url: "http://x/mcp",
        transport: "streamable-http",
        headers: { A: "b" },
        timeoutMs: 30_000,
        options: { ...OPEN, authTokens: tokens },
      },
      {
        name: "bare",
        kind: "stdio",
        command: "y",
        args: [],
        env: {},
        options: { ...OPEN, authTokens: tokens },
      },
    ],
    disabled: [],
    warnings: [
      "server is the old form and is read as mcpProxy: see --schema for what may stand there",
      "clients is the old form and is read as mcpServers: see --schema for what may stand there",
    ],
  });
});

Deno.test("each half is converted by itself, and the new form wins", () => {
  const mixed = read({
    mcpProxy: { addr: ":1", options: { authTokens: ["inherited"] } },
    clients: { a: { type: "stdio", config: { command: "x" } } },
  });
  assertEquals(mixed.servers.map(({ options }) => options.authTokens), [[
    "inherited",
  ]]);
  const both = read({
    mcpProxy: { addr: ":1" },
    server: { addr: ":2" },
    mcpServers: { a: { command: "x" } },
    clients: { b: { type: "nonsense" } },
  });
  assertEquals(both.listen.port, 1);
  assertEquals(both.servers.map(({ name }) => name), ["a"]);
  assertEquals(both.warnings, [
    "server is ignored, because mcpProxy is there",
    "clients is ignored, because mcpServers is there",
  ]);
  const empty = read({
    server: { addr: ":2" },
    mcpServers: {},
    clients: { b: { config: { command: "x" } } },
  });
  assertEquals(empty.servers.map(({ name }) => name), ["b"]);
});

Deno.test("a config of a desktop client will do: this machine only, the newer transport", () => {
  const config = read({ mcpServers: { fetch: { command: "uvx" } } });
  assertEquals(config.listen, { host: "127.0.0.1", port: 9090 });
  assertEquals(config.type, "streamable-http");
  assertEquals([config.basePath, config.baseUrl], ["", undefined]);
  assertEquals(config.warnings, []);
});

Deno.test("options are inherited where a server does not say otherwise", () => {
  const { servers, warnings } = read({
    mcpProxy: {
      addr: ":1",
      options: {
        panicIfInvalid: true,
        logEnabled: true,
        authTokens: ["t1", "t2"],
        prefix: false,
        toolFilter: { mode: "allow", list: ["a"] },
        disabled: true,
        forwardHeaders: ["authorization"],
      },
    },
    mcpServers: {
      all: { command: "x" },
      none: {
        command: "x",
        options: {
          panicIfInvalid: false,
          logEnabled: false,
          authTokens: [],
          prefix: true,
        },
      },
      nulls: { command: "x", options: { authTokens: null, prefix: null } },
      own: { url: "http://x", options: { authTokens: ["t3", "t3"] } },
    },
  });
  const inherited = {
    ...OPEN,
    panicIfInvalid: true,
    logEnabled: true,
    authTokens: ["t1", "t2"],
    prefix: false,
  };
  assertEquals(servers.map(({ options }) => options), [
    inherited,
    OPEN,
    inherited,
    { ...inherited, authTokens: ["t3"] },
  ]);
  assertEquals(
    warnings,
    ["toolFilter", "disabled", "forwardHeaders"].map((key) =>
      `mcpProxy.options.${key} has no effect here: put it into the "options" of each server that it is for`
    ),
  );
});

Deno.test("keys are known in any letter case", () => {
  const config = read({
    MCPPROXY: {
      BaseUrl: "http://h/x",
      Addr: ":7",
      Options: { LOGENABLED: true },
    },
    McpServers: {
      A: {
        Command: "x",
        Env: { Path: "kept" },
        options: {
          Disabled: false,
          ToolFilter: { Mode: "ALLOW", List: ["a"] },
        },
      },
      off: { Command: 7, options: { Disabled: true } },
      Gone: { DISABLED: true },
      away: { Enabled: false },
    },
  });
  assertEquals(config.listen.port, 7);
  assertEquals(config.basePath, "/x");
  assertEquals(config.disabled, ["off", "Gone", "away"]);
  assertEquals(config.servers, [{
    name: "A",
    kind: "stdio",
    command: "x",
    args: [],
    env: { Path: "kept" },
    options: {
      ...OPEN,
      logEnabled: true,
      toolFilter: { mode: "allow", list: ["a"] },
    },
  }]);
  assertEquals(config.warnings, []);
});

Deno.test("what is odd is a warning that says what was meant", () => {
  const { warnings, servers } = read({
    mcpProxy: { adr: ":1", startupGracePeriod: "30s" },
    mcpServers: {
      a: {
        comand: "y",
        command: "x",
        Command: "z",
        url: "http://x",
        timeout: 60_000,
        oauth: {},
        options: {
          toolfilter: { mode: "only", list: ["t"] },
          authToken: ["abc"],
          enabled: true,
          autoReconnect: true,
          forwardHeaders: ["X-Team"],
        },
      },
      A: { command: "x", options: { toolFilter: { mode: "allow" } } },
      b: { command: "x", transportType: "sse" },
    },
    server: null,
    mcpserver: 1,
  });
  assertEquals(warnings, [
    'mcpserver is not known and ignored; did you mean "mcpServers"?',
    'mcpProxy.adr is not known and ignored; did you mean "addr"?',
    "mcpProxy.startupGracePeriod is not needed and ignored: servers are watched and started again by themselves",
    'mcpServers.a.comand is not known and ignored; did you mean "command"?',
    "mcpServers.a.command stands there twice: the last one counts",
    'mcpServers.a.oauth is ignored: put a token into "headers"',
    'mcpServers.a.options.authToken is not known and ignored; did you mean "authTokens"?',
    'mcpServers.a.options.enabled is not known and ignored; write "disabled": true instead',
    "mcpServers.a.options.autoReconnect is not needed and ignored: servers are watched and started again by themselves",
    'mcpServers.a.timeout: 60000 is read as 1m; write "1m"',
    "mcpServers.a.url is ignored, because the command is used: leave one of them out",
    "<a> Unknown tool filter mode: only, skipping tool filter (mcpServers.a.options.toolFilter.mode must be allow or block)",
    "mcpServers.a.options.forwardHeaders has no effect: a child process gets no headers",
    "mcpServers.A.options.toolFilter.list is empty, so that nothing is filtered",
    "mcpServers.b.transportType is ignored, because the command is used: leave one of them out",
    "mcpServers.A and mcpServers.a differ in letter case only, which people and programs mix up",
    'mcpProxy.addr is missing, so that port 80 is used; write an address such as ":9090"',
  ]);
  assertEquals(servers.map(({ options }) => options.toolFilter), [
    undefined,
    undefined,
    undefined,
  ]);
});
