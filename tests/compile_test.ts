import { assert, assertEquals } from "@std/assert";
import { output } from "./bundle.ts";

const root = `${import.meta.dirname}/..`;

Deno.test({
  name: "the executable holds the bundle and nothing else",
  // This takes Deno itself for the runtime, so that nothing is downloaded.
  ignore: Deno.build.os !== "linux",
  async fn() {
    // A target of its own keeps the executable that somebody may have made.
    const target = `${Deno.build.arch}-unknown-linux-gnu`;
    const folder = `${root}/dist/${target}`;
    try {
      const said = await output(
        [Deno.execPath(), "task", "--quiet", "compile", target],
        { cwd: root, env: { DENORT_BIN: Deno.execPath(), NO_COLOR: "1" } },
        "stderr",
      );
      const [, list = ""] = /Embedded Files\s+([\s\S]*?)\n\n/.exec(said) ?? [];
      assertEquals(list.replace(/ \(.*?\)$/gm, "").split("\n"), [
        "mcp-proxy",
        "└── mcp-proxy.js",
      ]);
      const [, size] = /^Files: ([\d.]+)MB$/m.exec(said) ?? [];
      assert(Number(size) < 2, `it has grown to ${size} MB`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
