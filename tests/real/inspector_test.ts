/** The MCP Inspector's command line in front of `serve`. */

import { assert, assertEquals } from "@std/assert";
import { everything, finish, npm, serve, textOf } from "./kit.ts";

Deno.test("the Inspector lists and calls tools through serve", async () => {
  const serving = await serve(everything());
  const home = await Deno.makeTempDir();
  // deno-lint-ignore no-explicit-any -- what it prints is looked at member by member
  const inspect = async (url: string, ...words: string[]): Promise<any> => {
    const command = npm("@modelcontextprotocol/inspector", "--cli", url);
    const env = { HOME: home, DENO_DIR: await denoDir() };
    const { code, stdout, stderr } = await finish([...command, ...words], env);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  };
  try {
    for (const [route, transport] of [["mcp", "http"], ["sse", "sse"]]) {
      const url = new URL(`/${route}`, serving.url).href;
      const over = ["--transport", `${transport}`, "--method"];
      const { tools } = await inspect(url, ...over, "tools/list");
      const names = tools.map(({ name }: { name: string }) => name);
      assert(names.includes("echo"), `${names}`);
      const call = ["tools/call", "--tool-name", "get-sum"];
      const args = ["--tool-arg", "a=2", "--tool-arg", "b=3"];
      const sum = await inspect(url, ...over, ...call, ...args);
      assertEquals(textOf(sum), "The sum of 2 and 3 is 5.");
    }
  } finally {
    assertEquals(await serving.stop(), 0);
    await Deno.remove(home, { recursive: true });
  }
});

/** Where packages are kept, which would be elsewhere under another home. */
async function denoDir(): Promise<string> {
  const { stdout } = await finish([Deno.execPath(), "info", "--json"]);
  return JSON.parse(stdout).denoDir;
}
