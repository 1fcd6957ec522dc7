import { assertEquals } from "@std/assert";
import { dispatch } from "../../lib/cli/dispatch.ts";

function meant(line: string[], env: Record<string, string> = {}): string {
  const found = dispatch(line, (name) => env[name]);
  if (found.kind !== "command") return found.kind;
  return found.legacy ? `old ${found.name}` : found.name;
}

Deno.test("a subcommand is taken at its word", () => {
  assertEquals(meant(["bridge", "http://x/mcp"]), "bridge");
  assertEquals(meant(["serve", "http://x/mcp"]), "serve");
  assertEquals(meant(["ask"], { SSE_URL: "http://x" }), "ask");
  assertEquals(
    dispatch(["aggregate", "-config", "x.json"], () => undefined),
    {
      kind: "command",
      name: "aggregate",
      args: ["-config", "x.json"],
      legacy: false,
    },
  );
});

Deno.test("help and version are found in each of their spellings", () => {
  for (const word of ["--help", "-h", "-help"]) {
    assertEquals(meant([word]), "help");
  }
  for (const word of ["--version", "-version"]) {
    assertEquals(meant([word]), "version");
  }
});

Deno.test("a line without a subcommand is a bridge if its first word is a URL, in any letter case", () => {
  for (
    const line of [
      ["http://example.io/sse"],
      ["HTTPS://example.io/sse"],
      ["--transport", "streamablehttp", "http://localhost:8080/mcp"],
      ["--transport=streamablehttp", "http://localhost:8080/mcp"],
      [
        "--headers",
        "Authorization",
        "Bearer YOUR_TOKEN",
        "http://localhost:8080/sse",
      ],
      ["-H", "Authorization: Bearer x", "http://localhost:8080/sse"],
      ["-H", "a", "b", "-H", "c=d", "http://localhost:8080/sse"],
      ["--verify-ssl", "https://x/mcp"],
      ["--verify-ssl", "false", "https://x/mcp"],
      ["--no-verify-ssl", "https://x/mcp"],
      ["--token-url", "https://id/token", "https://x/mcp"],
      ["--debug", "http://x/sse", "--port", "1"],
      ["--", "http://x/sse"],
    ]
  ) assertEquals(meant(line), "old bridge", line.join(" "));
});

Deno.test("a line without a subcommand is a server if its first word is a program", () => {
  for (
    const line of [
      ["uvx", "mcp-server-fetch"],
      ["--port=8080", "uvx", "mcp-server-fetch"],
      ["--port", "8080", "uvx", "http://not-the-first"],
      ["--sse-port=8080", "--", "uvx", "mcp-server-fetch", "--user-agent=x"],
      ["--port", "8080", "--named-server", "fetch", "uvx mcp-server-fetch"],
      ["--named-server-config", "./servers.json"],
      ["-e", "URL", "http://x", "my-command"],
      ["--allow-origin", "http://a", "https://b", "--", "my-command"],
      ["--allow-origin", "*", "my-command"],
      ["--pass-environment", "--sse-host", "0.0.0.0", "uvx", "x"],
      ["my-command", "--config", "theirs.json"],
      ["--", "my-command", "-config", "theirs.json"],
    ]
  ) {
    assertEquals(meant(line), "old serve", line.join(" "));
    assertEquals(
      meant(line.slice(), { SSE_URL: "" }),
      "old serve",
      line.join(" "),
    );
  }
});

Deno.test("a line with -config is an aggregate, wherever the flag stands before the first word", () => {
  for (
    const line of [
      ["-config", "x.json"],
      ["--config=x.json"],
      ["-config=x.json"],
      ["-insecure", "-http-timeout", "5", "--config", "https://x/c.json"],
      ["-expand-env=false", "-check-config", "-config", "x.json"],
      ["-log-level", "debug", "-config", "x.json"],
    ]
  ) assertEquals(meant(line), "old aggregate", line.join(" "));
});

Deno.test("SSE_URL stands in for a URL only where there is no word", () => {
  const env = { SSE_URL: "http://example.io/sse" };
  assertEquals(meant([], env), "old bridge");
  assertEquals(meant(["--debug"], env), "old bridge");
  assertEquals(meant(["uvx", "x"], env), "old serve");
});

Deno.test("an empty line has nothing to run", () => {
  assertEquals(meant([]), "nothing");
});
