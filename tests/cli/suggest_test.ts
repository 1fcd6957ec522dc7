import { assertEquals } from "@std/assert";
import { distance, suggest } from "../../lib/cli/suggest.ts";

Deno.test("the distance counts letters changed, left out, put in and swapped", () => {
  assertEquals(distance("port", "port"), 0);
  assertEquals(distance("prot", "port"), 1);
  assertEquals(distance("por", "port"), 1);
  assertEquals(distance("porrt", "port"), 1);
  assertEquals(distance("post", "port"), 1);
  assertEquals(distance("", "port"), 4);
});

Deno.test("the nearest name is suggested, a far one is not", () => {
  const names = ["command", "args", "env", "transportType"];
  assertEquals(suggest("comand", names), "command");
  assertEquals(suggest("transporttype", names), "transportType");
  assertEquals(suggest("ags", names), "args");
  assertEquals(suggest("wholly-other", names), undefined);
  assertEquals(suggest("x".repeat(100_000), names), undefined);
});
