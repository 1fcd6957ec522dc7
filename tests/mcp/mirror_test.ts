import { assertEquals } from "@std/assert";
import { decodeHeader, encodeHeader } from "../../lib/mcp/mirror.ts";

Deno.test("a value comes out of its header as it went in", () => {
  for (
    const value of ["plain", "a b", " a", "a ", "", "é\u{1F600}", "a\nb"]
      .concat("=?base64?x?=", "é".repeat(200_000))
  ) {
    assertEquals(decodeHeader(encodeHeader(value)), value);
  }
  assertEquals(encodeHeader("a b"), "a b");
  assertEquals(encodeHeader(" a"), "=?base64?IGE=?=");
});

Deno.test("marks around what is no base64, or no UTF-8, hold no value", () => {
  for (const header of ["SGVsbG8", "SGVs!!!bG8=", "/w=="]) {
    assertEquals(decodeHeader(`=?base64?${header}?=`), undefined);
  }
  assertEquals(decodeHeader("SGVsbG8="), "SGVsbG8=");
});
