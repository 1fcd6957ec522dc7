import { assertEquals } from "@std/assert";
import { alone, bundle, output, withoutNetwork } from "./bundle.ts";
import { program } from "./program.ts";

/** The words that try a program. */
function smoke(...words: string[]): string[] {
  return [
    ...[Deno.execPath(), "run", "-A", "--no-check", "--no-config", "--quiet"],
    ...[`${import.meta.dirname}/smoke.ts`, ...words],
  ];
}

Deno.test("the program passes the smoke test", async () => {
  await output(smoke(...program()));
});

Deno.test("the bundle passes it alone: no configuration, no cache, no network", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = `${folder}/mcp-proxy.js`;
    await bundle(file);
    const empty = `${folder}/empty`;
    await Deno.mkdir(empty);
    await output(
      [...await withoutNetwork(), ...smoke(...alone(file))],
      { cwd: empty, env: { DENO_DIR: `${folder}/cache`, NO_COLOR: "1" } },
    );
    const left = [...Deno.readDirSync(empty)].map(({ name }) => name);
    assertEquals(left, [], "files written beside it");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the smoke test fails where something does not work", async () => {
  const failure = await output(smoke(Deno.execPath(), "eval", "0")).then(
    () => "nothing",
    (error: Error) => error.message,
  );
  const lines = failure.split("\n").filter((line) => /^(not )?ok/.test(line));
  assertEquals(lines.length, 7, failure);
  for (const line of lines) assertEquals(line.slice(0, 6), "not ok", line);
});
