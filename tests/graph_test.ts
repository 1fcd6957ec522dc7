import { assert, assertEquals } from "@std/assert";

/** Lowest first. A module may import from its own layer and from those below. */
const LAYERS: readonly (readonly string[])[] = [
  [
    "lib/log.ts",
    "lib/mask.ts",
    "lib/signals.ts",
    "lib/version.ts",
    "lib/std/",
    "deno.json",
  ],
  ["lib/mcp/", "lib/config/", "lib/cli/"],
  ["lib/wire/", "lib/auth/", "lib/model/"],
  ["lib/relay/", "lib/era/", "lib/upstream/"],
  ["lib/http/", "lib/catalog/"],
  ["lib/ask.ts", "lib/bridge.ts", "lib/serve.ts", "lib/aggregate.ts"],
  ["main.ts"],
];

/** What `deno info --json` says of a module. */
interface Module {
  specifier: string;
  error?: string;
  dependencies?: {
    specifier: string;
    code?: { specifier?: string };
    type?: { specifier?: string };
  }[];
}

function layer(path: string): number {
  return LAYERS.findIndex((entries) =>
    entries.some((entry) =>
      entry.endsWith("/") ? path.startsWith(entry) : path === entry
    )
  );
}

async function modules(): Promise<Map<string, string[]>> {
  const root = new URL("../", import.meta.url);
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: root,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  assert(success, text.decode(stderr));
  const info: { modules: Module[] } = JSON.parse(text.decode(stdout));
  const graph = new Map<string, string[]>();
  for (const { specifier, dependencies = [] } of info.modules) {
    if (!specifier.startsWith(root.href)) continue;
    const targets = dependencies.flatMap(({ code, type }) => [
      code?.specifier,
      type?.specifier,
    ]);
    graph.set(
      specifier.slice(root.href.length),
      [
        ...new Set(
          targets.filter((target) => target?.startsWith(root.href))
            .map((target) => target?.slice(root.href.length) ?? ""),
        ),
      ],
    );
  }
  return graph;
}

Deno.test("imports go down only", async () => {
  const graph = await modules();
  assert(graph.size > 10, "the graph holds the program");
  const wrong: string[] = [];
  for (const [path, targets] of graph) {
    if (layer(path) < 0) wrong.push(`${path} belongs to no layer`);
    for (const target of targets) {
      if (layer(target) > layer(path)) wrong.push(`${path} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("main.ts loads no command before it is called", async () => {
  const source = await Deno.readTextFile(
    new URL("../main.ts", import.meta.url),
  );
  const commands = source.match(/import\("\.\/lib\/\w+\.ts"\)/g) ?? [];
  assert(commands.length >= 1, "commands are imported lazily");
  assertEquals(
    source.match(
      /^import (?!type).* from "\.\/lib\/(?:ask|bridge|serve|aggregate|http|wire|upstream|relay|catalog)/gm,
    ),
    null,
  );
});
