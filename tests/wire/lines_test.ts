import { assertEquals } from "@std/assert";
import { Lines } from "../../lib/wire/lines.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function split(chunks: Uint8Array[], max = 1000): string[] {
  const got: string[] = [];
  const lines = new Lines(
    max,
    (line) => got.push(new TextDecoder().decode(line)),
    () => got.push("overflow"),
  );
  for (const chunk of chunks) lines.push(chunk);
  lines.end();
  return got;
}

Deno.test("lines are split at LF only, with CRLF and blank lines tolerated", () => {
  assertEquals(split([bytes("a\r\n\n  \nb\u2028c\u0085d\re\n\r\nlast")]), [
    "a",
    "b\u2028c\u0085d\re",
    "last",
  ]);
});

Deno.test("a line split at every byte comes out whole, multi-byte characters included", () => {
  const all = bytes("äöü€😀\n\u2028x\r\n");
  assertEquals(split([...all].map((byte) => Uint8Array.of(byte))), [
    "äöü€😀",
    "\u2028x",
  ]);
});

Deno.test("a line that is too long is reported once, and the next ones are read", () => {
  const long = "x".repeat(30);
  assertEquals(split([bytes(`${long}\nab\n`)], 20), ["overflow", "ab"]);
  assertEquals(
    split([
      bytes(long),
      bytes(long),
      bytes("\nab\ncd"),
      bytes(`${long}`),
      bytes("\nef\n"),
    ], 20),
    [
      "overflow",
      "ab",
      "overflow",
      "ef",
    ],
  );
  assertEquals(
    split([bytes("x".repeat(15)), bytes(`${"x".repeat(15)}\nab\n`)], 20),
    ["overflow", "ab"],
  );
});

Deno.test("a line of 50 MB in small chunks takes linear time", () => {
  let size = 0;
  const lines = new Lines(1e9, (line) => size = line.length, () => {});
  const chunk = new Uint8Array(4096).fill(120), begin = performance.now();
  for (let i = 0; i < 50 * 256; i++) lines.push(chunk);
  lines.push(bytes("\n"));
  assertEquals(size, 50 * 1024 * 1024);
  assertEquals(performance.now() - begin < 2000, true);
});
