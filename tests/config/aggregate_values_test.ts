import { assertEquals, assertThrows } from "@std/assert";
import { parseAggregateConfig } from "../../lib/config/aggregate_config.ts";
import {
  type AggregateServer,
  sameServer,
} from "../../lib/config/aggregate_server.ts";
import { expand } from "../../lib/config/expand.ts";
import { parseAddress, parseBaseUrl } from "../../lib/config/proxy_address.ts";
import { mask } from "../../lib/log.ts";

const ENV: Record<string, string> = {
  A: "1",
  B_2: "two",
  EMPTY: "",
  QUOTED: 'a"b\\c',
  DOLLAR: "$A",
  MY_TOKEN: "tok-123456",
};

Deno.test("variables are put in", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["plain", "plain"],
    ["$A", "1"],
    ["${A}${B_2}-$B_2.", "1two-two."],
    ["${env:A}", "1"],
    ["${env:NO:-x}", "x"],
    ["${NO:-}", ""],
    ["${NO:-a:-b}", "a:-b"],
    ["${EMPTY}", ""],
    ["${EMPTY:-x}", "x"],
    ["${NO:-${NO2:-$A}}", "1"],
    ["${A:-${NO}}", "1"],
    ["$$A $${A} $$$A", "$A ${A} $1"],
    ["5$ $5 a$", "5$ $5 a$"],
    ["^x$|^y$", "^x$|^y$"],
    ["$QUOTED", 'a"b\\c'],
    ["$DOLLAR", "$A"],
    ["$AB${A}", "?1"],
  ];
  for (const [text, wanted] of cases.slice(0, -1)) {
    assertEquals(expand(text, (name) => ENV[name]), {
      text: wanted,
      problems: [],
    }, text);
  }
  assertEquals(expand("$AB${A}", (name) => ENV[name]).problems, [
    "uses the variable AB, which is not set: set it, or write ${AB:-default}, or $$ for a $",
  ]);
  expand("$MY_TOKEN", (name) => ENV[name]);
  assertEquals(mask("x tok-123456 y"), "x *** y");
});

Deno.test("braces that nest without end are refused, and soon", () => {
  const deep = "${A".replace("A", "N:-").repeat(50_000) + "}".repeat(50_000);
  const { problems } = expand(deep, () => undefined);
  assertEquals(problems.length, 1);
});

function first(
  entry: unknown,
  env?: Record<string, string>,
): AggregateServer {
  const { servers } = parseAggregateConfig(
    JSON.stringify({ mcpServers: { s: entry } }),
    "x.json",
    env && ((name) => env[name]),
  );
  const [server] = servers;
  if (!server) throw new Error("there is no server");
  return server;
}

Deno.test("every text value may hold variables, and no key does", () => {
  const entry = {
    command: "$A",
    args: ["${B_2}", "$$"],
    env: { $A: "$QUOTED", PORT: 8080 },
    cwd: "/${A}",
    timeout: "${A}s",
    options: {
      authTokens: ["$MY_TOKEN"],
      toolFilter: { mode: "${NO:-allow}", list: ["$A*"] },
    },
  };
  const { options, ...spec } = first(entry, ENV);
  assertEquals(spec, {
    name: "s",
    kind: "stdio",
    command: "1",
    args: ["two", "$"],
    env: { $A: 'a"b\\c', PORT: "8080" },
    cwd: "/1",
    timeoutMs: 1000,
  });
  assertEquals(options.authTokens, ["tok-123456"]);
  assertEquals(options.toolFilter, { mode: "allow", list: ["1*"] });
  const { env: variables } = first({ command: "$A", env: { X: "$NO" } }) as {
    env: unknown;
  };
  assertEquals(variables, { X: "$NO" });
});

Deno.test("a timeout may be written in many ways, for every kind of server", () => {
  for (const timeout of [60, "60", "1m", "60s", 60_000, 6e10, "60000ms"]) {
    const far = first({ url: "http://x", timeout });
    assertEquals(far.timeoutMs, 60_000, String(timeout));
    assertEquals(first({ command: "x", timeout }).timeoutMs, 60_000);
  }
  assertEquals(first({ command: "x", timeout: 0 }).timeoutMs, undefined);
});

Deno.test("the transport is the one that is named, else a command wins over a url", () => {
  const cases: [object, string][] = [
    [{ command: "x" }, "stdio"],
    [{ command: "x", url: "http://x", transportType: "sse" }, "stdio"],
    [{ command: "x", transportType: "stdio" }, "stdio"],
    [{ url: "http://x" }, "auto"],
    [{ url: "http://x", transportType: "sse" }, "sse"],
    [{ url: "http://x", transportType: "SSE" }, "sse"],
    [{ url: "http://x", type: "http" }, "streamable-http"],
    [{ url: "http://x", transportType: "streamable-http" }, "streamable-http"],
  ];
  for (const [entry, wanted] of cases) {
    const server = first(entry);
    assertEquals(
      server.kind === "stdio" ? "stdio" : server.transport,
      wanted,
      JSON.stringify(entry),
    );
  }
});

Deno.test("addresses are written as programs in Go take them", () => {
  const cases: [string, string, number][] = [
    [":9090", "0.0.0.0", 9090],
    ["127.0.0.1:9090", "127.0.0.1", 9090],
    ["localhost:0", "localhost", 0],
    ["[::1]:80", "::1", 80],
    ["[::]:80", "::", 80],
    [" :1 ", "0.0.0.0", 1],
  ];
  for (const [text, host, port] of cases) {
    assertEquals(parseAddress(text), { host, port }, text);
  }
  assertEquals(parseAddress(""), undefined);
  for (const text of ["x", "9090", ":", ":x", ":-1", ":65536", "a b:1"]) {
    assertThrows(() => parseAddress(text), Error, "must be an address", text);
  }
});

Deno.test("a base URL gives a path, with a scheme or without", () => {
  const cases: [string, string | undefined, string][] = [
    ["", undefined, ""],
    ["https://mcp.example.com", "https://mcp.example.com", ""],
    ["https://mcp.example.com/", "https://mcp.example.com", ""],
    ["http://h:8080/a//b/", "http://h:8080/a/b", "/a/b"],
    ["HTTP://H/ä%20b", "http://h/%C3%A4%20b", "/ä b"],
    ["/api/", undefined, "/api"],
    ["mcp.example.com/api", "https://mcp.example.com/api", "/api"],
    ["localhost:9090", "http://localhost:9090", ""],
    ["localhost", "http://localhost", ""],
    ["192.168.1.2/x", "http://192.168.1.2/x", "/x"],
    ["https://h/x?y=1", "https://h/x", "/x"],
  ];
  for (const [text, url, path] of cases) {
    const found = parseBaseUrl(text);
    assertEquals([found.url, found.path], [url, path], text);
  }
  assertEquals(
    parseBaseUrl("localhost:9090").note,
    'has no scheme and is read as "http://localhost:9090"',
  );
  assertEquals(
    parseBaseUrl("https://h/?a").note,
    "what stands after the path is ignored",
  );
  for (const text of ["ftp://h", "http://", "http://h/%zz", "http://u:p@h"]) {
    assertThrows(() => parseBaseUrl(text), Error, "must", text);
  }
});

Deno.test("two versions of a server are compared by what has to be done", () => {
  const a = {
    command: "x",
    env: { A: "1", B: "2" },
    options: { authTokens: ["t"] },
  };
  const cases: [object, "same" | "options" | "process"][] = [
    [
      { options: { authTokens: ["t"] }, env: { B: "2", A: "1" }, command: "x" },
      "same",
    ],
    [{ ...a, timeout: 0 }, "same"],
    [{ ...a, command: "y" }, "process"],
    [{ ...a, args: ["y"] }, "process"],
    [{ ...a, env: { A: "1" } }, "process"],
    [{ ...a, cwd: "/" }, "process"],
    [{ ...a, timeout: 9 }, "process"],
    [{ ...a, isolation: "shared" }, "process"],
    [{ url: "http://x", options: a.options }, "process"],
    [{ ...a, options: {} }, "options"],
    [{ ...a, options: { ...a.options, prefix: false } }, "options"],
    [{ ...a, options: { ...a.options, logEnabled: true } }, "options"],
    [{
      ...a,
      options: { ...a.options, toolFilter: { mode: "block", list: ["x"] } },
    }, "options"],
    [{ ...a, command: "y", options: {} }, "process"],
  ];
  for (const [b, wanted] of cases) {
    assertEquals(sameServer(first(a), first(b)), wanted, JSON.stringify(b));
  }
});
