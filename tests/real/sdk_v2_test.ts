/** The client of the official SDK, version 2, which speaks both protocol eras, in front of `serve`. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  Client,
  StreamableHTTPClientTransport,
  type VersionNegotiationMode,
} from "npm:@modelcontextprotocol/client@2.4.0";
import { fixture } from "../program.ts";
import { everything, serve, textOf } from "./kit.ts";

const MODERN = "2026-07-28";

/** Serves a command, and lets a client use it that agrees on a version in this way. */
async function use(
  words: string[],
  modes: VersionNegotiationMode[],
  action: (client: Client) => Promise<void>,
): Promise<void> {
  const serving = await serve(words);
  try {
    for (const mode of modes) {
      const client = new Client({ name: "real", version: "2" }, {
        versionNegotiation: { mode },
        capabilities: { elicitation: {}, sampling: {} },
      });
      client.setRequestHandler("elicitation/create", () => ({
        action: "accept" as const,
        content: { name: "Ada", username: "ada", email: "ada@example.com" },
      }));
      client.setRequestHandler("sampling/createMessage", () => ({
        model: "none",
        role: "assistant" as const,
        content: { type: "text" as const, text: "sampled" },
      }));
      await client.connect(
        new StreamableHTTPClientTransport(new URL(serving.url)),
      );
      try {
        await action(client);
      } finally {
        await client.close();
      }
    }
  } finally {
    assertEquals(await serving.stop(), 0);
  }
}

Deno.test("SDK v2 falls back by itself where the server is legacy", () =>
  use(everything(), ["auto", "legacy"], async (client) => {
    assertEquals(client.getNegotiatedProtocolVersion(), "2025-11-25");
    const { tools } = await client.listTools();
    assert(tools.some(({ name }) => name === "echo"));
    const args = { message: "hello" };
    const echoed = await client.callTool({ name: "echo", arguments: args });
    assertEquals(textOf(echoed), "Echo: hello");
    const elicited = await client.callTool({
      name: "trigger-elicitation-request",
    });
    assertStringIncludes(JSON.stringify(elicited), "- Name: Ada");
    const { prompts } = await client.listPrompts();
    assert(prompts.length > 0);
  }));

Deno.test("SDK v2 speaks the modern protocol with a modern server", () =>
  use(
    fixture("conformance_server.ts", "--stdio"),
    ["auto", { pin: MODERN }],
    async (client) => {
      assertEquals(client.getNegotiatedProtocolVersion(), MODERN);
      const { tools } = await client.listTools();
      assert(tools.some(({ name }) => name === "test_simple_text"));
      const plain = await client.callTool({ name: "test_simple_text" });
      assertStringIncludes(textOf(plain), "simple text");
      const progress: number[] = [];
      await client.callTool({ name: "test_tool_with_progress" }, {
        onprogress: (seen) => void progress.push(seen.progress),
      });
      assertEquals(progress, [0, 50, 100]);
      // The server asks by its result, and is asked again with the answers.
      const asked = await client.callTool({
        name: "test_input_required_result_elicitation",
      });
      assertStringIncludes(JSON.stringify(asked), "Ada");
      const sampled = await client.callTool({
        name: "test_input_required_result_sampling",
      });
      assertEquals(textOf(sampled), "Sampled");
      const { resources } = await client.listResources();
      const uri = resources[0]?.uri ?? "";
      const { contents } = await client.readResource({ uri });
      assertEquals(contents[0]?.uri, uri);
      const { prompts } = await client.listPrompts();
      assert(prompts.length > 0);
    },
  ));
