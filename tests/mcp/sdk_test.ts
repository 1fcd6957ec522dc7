import type { Tool } from "../../lib/mcp/sdk.ts";

Deno.test("the SDK's types are types and not any", () => {
  // @ts-expect-error A tool is no number, unless it is `any`.
  const tool: Tool = 1;
  void tool;
});
