/** Other bridges on the other side: of `serve` as clients, of `bridge` as servers. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { program } from "../program.ts";
import {
  connect,
  everything,
  freePort,
  leaveTimers,
  line,
  npm,
  serve,
  startPeer,
  stdio,
  textOf,
} from "./kit.ts";
import { useEverything } from "./everything.ts";

Deno.test("mcp-remote in front of serve", leaveTimers, async (t) => {
  const serving = await serve(everything());
  try {
    await t.step(
      "Streamable HTTP",
      () => useEverything(stdio(npm("mcp-remote", serving.url))),
    );
    await t.step("HTTP+SSE", () => {
      const sse = new URL("/sse", serving.url).href;
      return useEverything(
        stdio(npm("mcp-remote", sse, "--transport", "sse-only")),
      );
    });
  } finally {
    assertEquals(await serving.stop(), 0);
  }
});

Deno.test("supergateway in front of serve", leaveTimers, async () => {
  const serving = await serve(everything());
  const sse = new URL("/sse", serving.url).href;
  try {
    for (
      const words of [["--streamableHttp", serving.url], ["--sse", sse]]
    ) {
      const client = await connect(
        stdio(npm("supergateway", ...words, "--logLevel", "none")),
      );
      const echoed = await client.callTool({
        name: "echo",
        arguments: { message: "hello" },
      });
      assertEquals(textOf(echoed), "Echo: hello");
      const { prompts } = await client.listPrompts();
      assertStringIncludes(JSON.stringify(prompts), "args-prompt");
      await client.close();
    }
  } finally {
    assertEquals(await serving.stop(), 0);
  }
});

for (
  const [output, route, ...more] of [
    ["streamableHttp", "mcp", "--stateful"],
    ["streamableHttp", "mcp"],
    ["sse", "sse"],
  ]
) {
  const name = ["supergateway", output, ...more].join(" ");
  Deno.test(`bridge in front of ${name}`, leaveTimers, async () => {
    const port = freePort();
    const words = ["--outputTransport", `${output}`, "--port", `${port}`];
    const stop = await startPeer(
      npm("supergateway", "--stdio", line(everything()), ...words, ...more),
      port,
    );
    try {
      const url = `http://127.0.0.1:${port}/${route}`;
      const client = await connect(stdio([...program(), "bridge", url]));
      const { tools } = await client.listTools();
      assertStringIncludes(JSON.stringify(tools), "get-sum");
      const summed = await client.callTool({
        name: "get-sum",
        arguments: { a: 2, b: 3 },
      });
      assertEquals(textOf(summed), "The sum of 2 and 3 is 5.");
      await client.close();
    } finally {
      await stop();
    }
  });
}
