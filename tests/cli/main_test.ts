import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../program.ts";
import config from "../../deno.json" with { type: "json" };

Deno.test("--version prints the version and nothing else", async () => {
  assertEquals(await run(["--version"]), {
    code: 0,
    stdout: `mcp-proxy ${config.version}\n`,
    stderr: "",
  });
});

Deno.test("--help shows the commands on stdout", async () => {
  const { code, stdout, stderr } = await run(["--help"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Usage: mcp-proxy /);
  assertMatch(stdout, /^ {2}bridge +stdio here/m);
  assertMatch(stdout, /^ {2}serve +Local/m);
  assertMatch(stdout, /^Examples:\n {2}mcp-proxy /m);
});

Deno.test("nothing to run is a usage error with the help", async () => {
  const { code, stdout, stderr } = await run([], "", { SSE_URL: "" });
  assertEquals(code, 2);
  assertMatch(stdout, /^Usage: mcp-proxy /);
  assertMatch(stderr, /^mcp-proxy: Nothing to run: .+\n$/);
});

for (const name of ["bridge", "serve"]) {
  Deno.test(`${name} --help shows its flags and examples`, async () => {
    const { code, stdout, stderr } = await run([name, "--help"]);
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, `Usage: mcp-proxy ${name} `);
    assertMatch(stdout, /^ {6}--log-level LEVEL/m);
    assertMatch(stdout, /^Examples:\n( {2}.*mcp-proxy .*\n){2,}/m);
  });

  Deno.test(`${name} refuses a flag that it does not know and says which was meant`, async () => {
    const { code, stdout, stderr } = await run([name, "--log-levle", "x"]);
    assertEquals([code, stdout], [2, ""]);
    assertMatch(
      stderr,
      RegExp(
        `^mcp-proxy: Unknown flag "--log-levle"\nDid you mean --log-level\\?\nUsage: mcp-proxy ${name} .+\n$`,
      ),
    );
  });
}

Deno.test("a config that cannot be read is one line on stderr and exit code 1", async () => {
  const { code, stdout, stderr } = await run([
    "--named-server-config",
    "/no/such/file.json",
  ]);
  assertEquals([code, stdout], [1, ""]);
  assertMatch(
    stderr,
    /^\S+ error Cannot read config "\/no\/such\/file\.json": there is no such file; check the path\n$/,
  );
});
