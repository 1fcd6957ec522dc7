import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { help, run } from "../../lib/aggregate.ts";
import { UsageError } from "../../lib/cli/usage.ts";
import { ConfigError } from "../../lib/config/config_file.ts";
import { log } from "../../lib/log.ts";
import { emptyWorld } from "../world.ts";

const CONFIG = JSON.stringify({
  mcpProxy: { addr: ":9090" },
  mcpServers: {
    a: { command: "x", env: { T: "${T}" } },
    b: { options: { disabled: true } },
  },
});

interface Outcome {
  code: number;
  stdout: string;
}

/** Runs the command with this config; `FILE` stands for its path. */
async function aggregate(
  args: string[],
  options: { env?: Record<string, string>; config?: string; legacy?: boolean } =
    {},
): Promise<Outcome> {
  log.configure({ level: "error" });
  const dir = await Deno.makeTempDir();
  const file = `${dir}/config.json`;
  await Deno.writeTextFile(file, options.config ?? CONFIG);
  let stdout = "";
  try {
    const code = await run(
      [
        ...args.map((word) => word.replace("FILE", file)),
        "-log-level",
        "error",
      ],
      emptyWorld({
        env: (name) => (options.env ?? { T: "1" })[name],
        print: (text) => void (stdout += text),
        shutdown: AbortSignal.abort(),
        legacy: options.legacy ?? false,
      }),
    );
    return { code, stdout };
  } finally {
    await Deno.remove(dir, { recursive: true });
    log.configure({ level: "info" });
  }
}

Deno.test("a good config is said to be good, those that are off included", async () => {
  const wanted = { code: 0, stdout: "Config OK: 2 MCP server(s) configured\n" };
  for (
    const args of [
      ["-config", "FILE", "-check-config"],
      ["-config=FILE", "-check-config"],
      ["--config", "FILE", "--check-config"],
      ["--config=FILE", "-check-config=true", "-insecure=false"],
      ["-check-config", "-expand-env=true", "-no-watch", "-config", "FILE"],
      ["-check-config", "-config", "file://FILE"],
    ]
  ) assertEquals(await aggregate(args), wanted, args.join(" "));
  assertEquals(
    await aggregate(["-config", "FILE", "-check-config"], { legacy: true }),
    wanted,
  );
});

Deno.test("variables can be left alone", async () => {
  const args = ["-config", "FILE", "-check-config"];
  const error = await assertRejects(
    () => aggregate(args, { env: {} }),
    ConfigError,
  );
  assertStringIncludes(error.message, "uses the variable T");
  for (const flag of ["-expand-env=false", "--no-expand-env"]) {
    assertEquals((await aggregate([...args, flag], { env: {} })).code, 0);
  }
});

Deno.test("a config from a URL is asked for with the headers that are given", async () => {
  const seen: Headers[] = [];
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
  }, ({ headers }) => {
    seen.push(new Headers(headers));
    return new Response(CONFIG);
  });
  const url = `http://127.0.0.1:${server.addr.port}/config.json`;
  const args = ["-config", url, "-check-config", "-http-timeout", "10"];
  try {
    await aggregate([...args, "-http-headers", "A: b:c ; X-Team:dev;"]);
    await aggregate(args, { env: { T: "1", MCP_PROXY_CONFIG_HEADERS: "A:z" } });
  } finally {
    await server.shutdown();
  }
  assertEquals(seen.map((one) => [one.get("a"), one.get("x-team")]), [
    ["b:c", "dev"],
    ["z", null],
  ]);
});

Deno.test("client configs and the schema are printed as JSON", async () => {
  for (const client of ["claude", "VSCode", "cursor", "claude-desktop"]) {
    const { code, stdout } = await aggregate([
      "-config",
      "FILE",
      "-print-client-config",
      client,
    ]);
    assertEquals(code, 0);
    const written = JSON.parse(stdout);
    assert("a" in (written.mcpServers ?? written.servers));
  }
  const { code, stdout } = await aggregate(["--schema"]);
  assertEquals([code, JSON.parse(stdout).type], [0, "object"]);
});

Deno.test("a wrong command line is a usage error that says what was meant", async () => {
  const wrong: [string[], string, string?][] = [
    [["-confg", "x"], 'Unknown flag "-confg"', "--config"],
    [["-config"], "-config needs a value"],
    [["-print-client-config", "cursr"], "must be claude", "cursor"],
    [["-http-headers", "abc"], "--http-headers must be headers such as"],
    [["-http-headers", "a b:c"], "--http-headers must be headers such as"],
    [["-http-timeout", "soon"], "must be a duration"],
    [["config.json"], "is neither a flag", "--config config.json"],
  ];
  for (const [args, message, suggestion] of wrong) {
    const error = await assertRejects(() => aggregate(args), UsageError);
    assertStringIncludes(error.message, message);
    assertEquals(error.hints.suggestion, suggestion);
  }
});

Deno.test("the help names each flag", () => {
  for (
    const flag of [
      "--config FILE",
      "--check-config",
      "--[no-]watch",
      "--[no-]expand-env",
      "--http-headers",
      "--print-client-config",
      "--schema",
    ]
  ) assertStringIncludes(help, flag);
});
