import { assertEquals, assertThrows } from "@std/assert";
import { splitWords } from "../../lib/config/words.ts";

Deno.test("a command line is split as a POSIX shell splits it", () => {
  const cases: [string, string[]][] = [
    ["uvx mcp-server-fetch", ["uvx", "mcp-server-fetch"]],
    ["  a\t b\n c  ", ["a", "b", "c"]],
    [`a 'b c' "d e"`, ["a", "b c", "d e"]],
    [`a"b c"d'e f'g`, ["ab cde fg"]],
    [`a '' "" b`, ["a", "", "", "b"]],
    [String.raw`a\ b \"c\' \\`, ["a b", `"c'`, "\\"]],
    [String.raw`"a\"b\\c\$d\n"`, ['a"b\\c$d\\n']],
    [String.raw`'a\b'`, ["a\\b"]],
    ["a\\\nb", ["ab"]],
    ["echo $HOME # *", ["echo", "$HOME", "#", "*"]],
    ["", []],
    ["   ", []],
  ];
  for (const [line, words] of cases) assertEquals(splitWords(line), words);
});

Deno.test("what is not closed is named", () => {
  assertThrows(() => splitWords("a 'b"), Error, "a ' is not closed in");
  assertThrows(() => splitWords('a "b'), Error, 'a " is not closed in');
  assertThrows(() => splitWords("a\\"), Error, "nothing follows the backslash");
});
