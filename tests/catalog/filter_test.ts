import { assert, assertEquals } from "@std/assert";
import { toolFilter } from "../../lib/catalog/filter.ts";

const NAMES = ["read", "read_file", "write_file", "delete", "a*b"];

function kept(mode: "allow" | "block", ...list: string[]): string[] {
  return NAMES.filter(toolFilter({ toolFilter: { mode, list } }));
}

Deno.test("allow keeps what is listed, block all others", () => {
  assertEquals(kept("allow", "read"), ["read"]);
  assertEquals(kept("block", "read"), NAMES.slice(1));
  assertEquals(kept("allow", "none"), []);
  assertEquals(NAMES.filter(toolFilter({})), NAMES);
  assertEquals(kept("allow"), NAMES);
});

Deno.test("a star stands for any letters, or none", () => {
  assertEquals(kept("allow", "*"), NAMES);
  assertEquals(kept("block", "*"), []);
  assertEquals(kept("allow", "read*"), ["read", "read_file"]);
  assertEquals(kept("allow", "*_file"), ["read_file", "write_file"]);
  assertEquals(
    kept("allow", "*e*e"),
    ["write_file", "read_file", "delete"].sort((a, b) =>
      NAMES.indexOf(a) - NAMES.indexOf(b)
    ),
  );
  assertEquals(kept("block", "*_*", "delete"), ["read", "a*b"]);
  assertEquals(kept("allow", "r**d"), ["read"]);
  assertEquals(kept("allow", "a*b"), ["a*b"]);
  assertEquals(kept("allow", "read*read", "rea*ad"), []);
  assertEquals(kept("allow", "READ", "re.d"), []);
});

Deno.test("no pattern takes long", () => {
  const test = toolFilter({
    toolFilter: { mode: "allow", list: ["*a".repeat(2000) + "b"] },
  });
  const before = performance.now();
  assertEquals(test("a".repeat(100_000)), false);
  assert(performance.now() - before < 1000);
});
