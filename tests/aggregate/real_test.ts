/** Real servers from npm behind configs as TBXark/mcp-proxy has them, unchanged but for the port. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { npm } from "../real/kit.ts";
import { until } from "../serve/kit.ts";
import { aggregating, ask, bearer, configOf, names, open, say } from "./kit.ts";

const MEMORY = "npm:@modelcontextprotocol/server-memory@2026.8.31";

const command = ([file, ...args]: string[]) => ({ command: file, args });
const everything = command(npm("@modelcontextprotocol/server-everything"));

Deno.test("everything, filesystem and memory together, with default and own tokens and a filter", async () => {
  const folder = Deno.realPathSync(Deno.makeTempDirSync());
  Deno.writeTextFileSync(`${folder}/note.txt`, "from the file");
  const proxy = {
    baseURL: "https://mcp.example.com",
    options: {
      panicIfInvalid: false,
      logEnabled: true,
      authTokens: ["DefaultTokens"],
    },
  };
  const servers = {
    everything: { ...everything, options: { panicIfInvalid: true } },
    filesystem: {
      ...command(npm("@modelcontextprotocol/server-filesystem", folder)),
      options: { toolFilter: { mode: "block", list: ["write_file"] } },
    },
    memory: {
      ...command([
        Deno.execPath(),
        "run",
        "-A",
        "--quiet",
        "--no-config",
        MEMORY,
      ]),
      env: { MEMORY_FILE_PATH: `${folder}/memory.jsonl` },
      options: { logEnabled: false, authTokens: ["SpecificTokens"] },
    },
  };
  try {
    await aggregating(configOf(servers, proxy), async (aggregate) => {
      await until(
        "all are up",
        () => aggregate.stderr().includes("All clients initialized"),
        60_000,
      );
      const session = await open(aggregate.mcp, "DefaultTokens");
      const tools = await names(session, "tools");
      for (const tool of ["everything__echo", "filesystem__read_text_file"]) {
        assert(tools.includes(tool), `${tool} in ${tools}`);
      }
      assert(!tools.some((name) => /write_file|memory__/.test(name)));
      const read = { path: `${folder}/note.txt` };
      assertEquals(
        await say(session, "filesystem__read_text_file", read),
        "from the file",
      );
      assertStringIncludes(
        await say(session, "everything__echo", { message: "hello" }),
        "hello",
      );
      const own = await open(aggregate.named("memory"), "SpecificTokens");
      const entities = [{ name: "a", entityType: "b", observations: [] }];
      await say(own, "create_entities", { entities });
      assertStringIncludes(await say(own, "read_graph"), '"a"');
      const { status, body } = await fetch(aggregate.named("memory"), {
        method: "POST",
        headers: bearer("DefaultTokens"),
      });
      await body?.cancel();
      assertEquals(status, 401);
      const log = aggregate.stderr();
      assertStringIncludes(log, "<filesystem> Adding tool read_text_file");
      assertStringIncludes(
        log,
        "<everything> Handling requests at /everything/",
      );
      assert(!/DefaultTokens|SpecificTokens/.test(log));
    });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("the form of version 1, with a token in the key, runs as it is", () =>
  aggregating({
    server: {
      baseURL: "http://127.0.0.1",
      addr: "127.0.0.1:0",
      name: "Old",
      version: "0.1",
      globalAuthTokens: [],
    },
    clients: {
      "everything/secret-path": { type: "stdio", config: everything },
    },
  }, async (aggregate) => {
    await until(
      "it is up",
      () => aggregate.stderr().includes("All clients initialized"),
      60_000,
    );
    const session = await open(aggregate.named("everything/secret-path"));
    assert((await names(session, "tools")).includes("echo"));
    const all = await open(aggregate.mcp);
    const [tool] = (await names(all, "tools")).filter((name) =>
      /echo/.test(name)
    );
    assertStringIncludes(await say(all, tool ?? "", { message: "x" }), "x");
    assert((await ask(all, "prompts/list")).prompts.length > 0);
  }));
