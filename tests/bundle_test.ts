import { assertEquals, assertStringIncludes } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { alone, bundle, output, withoutNetwork } from "./bundle.ts";
import type { Trial } from "./fixtures/alone_trial.ts";

const root = `${import.meta.dirname}/..`;

Deno.test("the bundle works alone: no configuration, no cache, no network", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/mcp-proxy.js`;
    await bundle(file);
    const empty = `${folder}/empty`;
    await Deno.mkdir(empty);
    const text = await output([
      ...await withoutNetwork(),
      ...[Deno.execPath(), "run", "-A", "--no-check", "--no-config", "--quiet"],
      `${root}/tests/fixtures/alone_trial.ts`,
    ], {
      cwd: empty,
      env: {
        MCP_PROXY: alone(file).join(" "),
        DENO_DIR: `${folder}/cache`,
        NO_COLOR: "1",
      },
    });
    const trial: Trial = JSON.parse(text);
    assertEquals(trial.version, `mcp-proxy ${config.version}\n`);
    assertStringIncludes(trial.help, "bridge");
    assertEquals(trial.bridged.code, 0, trial.bridged.stderr);
    const answers = trial.bridged.stdout.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(answers.map(({ id }) => id), [1, 2]);
    assertEquals(answers[0].result.serverInfo.name, "echo");
    assertEquals(answers[1].result.content, [{ type: "text", text: "hello" }]);
    assertEquals(trial.served, 0);
    const left = [...Deno.readDirSync(empty)].map(({ name }) => name);
    assertEquals(left, [], "files written beside it");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
