import { assertEquals } from "@std/assert";
import { readFrame } from "../../lib/mcp/frame.ts";
import { ToolHeaders } from "../../lib/wire/tool_headers.ts";

const frame = (text: string) => readFrame(new TextEncoder().encode(text));
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const tool = (name: string, header: string, rest = "") =>
  `{"name":"${name}","inputSchema":{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"${header}"}}}${rest}}`;

Deno.test("invalid tools are cut out, and every other byte stays", () => {
  const tools = new ToolHeaders();
  const good = tool("good", "A", ',"x":[1.0,"]}\\"",{"tools":[]}] '),
    bad = tool("bad", "a b");
  for (
    const [list, kept] of [
      [`[${bad}]`, "[]"],
      [`[ ${good} , ${bad} ]`, `[${good}]`],
      [`[${bad},${good},${bad},${good}]`, `[${good},${good}]`],
    ] as const
  ) {
    const head =
        '{"jsonrpc":"2.0","id":7,"result": { "tool":[1], "n":12345678901234567890, "tools" : ',
      tail = ' ,"nextCursor":"c"} }';
    const { frame: learned, nextCursor } = tools.learn(
      frame(head + list + tail),
    );
    assertEquals(
      text(learned.bytes),
      `${head}${kept}${tail}`.replace(/\s+(?=\])/, ""),
    );
    assertEquals([learned.id, nextCursor], ["7", "c"]);
  }
});

Deno.test("a list without invalid tools is not touched at all", () => {
  const answer = frame(
    `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tool("t", "A")}]}}`,
  );
  assertEquals(new ToolHeaders().learn(answer).frame, answer);
});

Deno.test("arguments are mirrored where the tool asks for it", () => {
  const tools = new ToolHeaders();
  tools.learn(
    frame(
      `{"jsonrpc":"2.0","id":1,"result":{"tools":[${tool("t", "Region")}]}}`,
    ),
  );
  const call = (args: string) =>
    frame(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":${args}}}`,
    );
  assertEquals(tools.of(call('{"a":"x y"}')), [["Mcp-Param-Region", "x y"]]);
  assertEquals(tools.of(call('{"a":" é"}')), [[
    "Mcp-Param-Region",
    "=?base64?IMOp?=",
  ]]);
  assertEquals(tools.of(call('{"a":null}')), []);
  assertEquals(tools.of(call("{}")), []);
});
