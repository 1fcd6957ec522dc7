import { assert, assertEquals } from "@std/assert";
import {
  formerFlag,
  isOrigin,
  isTlsValue,
} from "../../lib/cli/former_flags.ts";
import type { Takes } from "../../lib/cli/scan.ts";

/** The flags that a help text shows, and how many words follow each. */
function shown(help: string): Map<string, Takes> {
  const flags = new Map<string, Takes>();
  const row =
    /^ {2}(?:-\w, | {4})--(?:\[no-\])?([a-z-]+)(?: (\S+(?: \S+)*))?(?: {2}|$)/gm;
  for (const [, name = "", value = ""] of help.matchAll(row)) {
    flags.set(
      name,
      value === ""
        ? "nothing"
        : value.startsWith("[")
        ? "maybe"
        : value.endsWith("…")
        ? "many"
        : value.includes(" ")
        ? "pair"
        : "one",
    );
  }
  return flags;
}

for (const name of ["bridge", "serve"]) {
  Deno.test(`a line without a subcommand knows how many words follow each flag of ${name}`, async () => {
    const { help }: { help: string } = await (name === "serve"
      ? import("../../lib/serve.ts")
      : import("../../lib/bridge.ts"));
    const flags = shown(help);
    assert(flags.size > 5, help);
    for (const [flag, takes] of flags) {
      assertEquals([flag, formerFlag(flag, "--")?.shape.takes], [flag, takes]);
    }
  });
}

Deno.test("origins are told from commands", () => {
  for (
    const word of ["*", "null", "https://a.example", "chrome-extension://x"]
  ) {
    assert(isOrigin(word));
  }
  for (const word of ["uvx", "./server", "node", "a.example"]) {
    assert(!isOrigin(word));
  }
});

Deno.test("values of --verify-ssl are told from URLs and commands", () => {
  for (const word of ["true", "NO", "0", "ca.pem", "/etc/ssl/all", "c:\\ca"]) {
    assert(isTlsValue(word), word);
  }
  for (const word of ["https://x/ca.pem", "HTTP://x", "uvx", "node"]) {
    assert(!isTlsValue(word), word);
  }
});
