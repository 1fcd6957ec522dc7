/** `ask_model` from outside the process: what goes to the API, and what comes back to the caller. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import config from "../../deno.json" with { type: "json" };
import { answer } from "../fixtures/fake_answers.ts";
import { FAKE_KEY } from "../fixtures/fake_messages.ts";
import { outcome, withAsk } from "./kit.ts";

Deno.test("a prompt goes out with the key, the version and the defaults", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({ prompt: "What is MCP?" });
    const [asked] = fake.asked;
    assertEquals([asked?.method, asked?.path], ["POST", "/v1/messages"]);
    assertEquals(asked?.headers["x-api-key"], FAKE_KEY);
    assertEquals(asked?.headers["authorization"], undefined);
    assertEquals(asked?.headers["anthropic-version"], "2023-06-01");
    assertEquals(asked?.headers["content-type"], "application/json");
    assertEquals(asked?.headers["user-agent"], `mcp-proxy/${config.version}`);
    assertEquals(asked?.body, {
      model: "claude-sonnet-4-5",
      max_tokens: 1024,
      messages: [{ role: "user", content: "What is MCP?" }],
    });
  }));

Deno.test("every argument reaches the model", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({
      prompt: '  Ünïcødé 日本語 \u2028 "quoted"\n',
      system: "Be brief.",
      model: "claude-haiku-4-5",
      maxTokens: 65536,
      temperature: 0,
      stopSequences: ["END", "\n\n"],
    });
    assertEquals(fake.asked[0]?.body, {
      model: "claude-haiku-4-5",
      max_tokens: 65536,
      system: "Be brief.",
      messages: [{
        role: "user",
        content: '  Ünïcødé 日本語 \u2028 "quoted"\n',
      }],
      temperature: 0,
      stop_sequences: ["END", "\n\n"],
    });
  }));

Deno.test("optional arguments that are null or blank count as absent", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({
      prompt: "Hi",
      system: " ",
      model: "",
      maxTokens: null,
      temperature: null,
      stopSequences: [],
      somethingElse: 1,
    });
    assertEquals(fake.asked[0]?.body, {
      model: "claude-sonnet-4-5",
      max_tokens: 1024,
      messages: [{ role: "user", content: "Hi" }],
    });
  }));

Deno.test("the result is one text of pretty JSON with four members in order, and the same as an object", () =>
  withAsk(async (ask) => {
    const { result } = await ask.ask({ prompt: "Hello" });
    assertEquals(result, {
      content: [{
        type: "text",
        text: `{
  "model": "claude-sonnet-4-5-20250929",
  "stop_reason": "end_turn",
  "usage": {
    "input_tokens": 12,
    "output_tokens": 3
  },
  "text": "You said: Hello"
}`,
      }],
      structuredContent: {
        model: "claude-sonnet-4-5-20250929",
        stop_reason: "end_turn",
        usage: { input_tokens: 12, output_tokens: 3 },
        text: "You said: Hello",
      },
    });
  }));

const busy = answer({
  thinking: "Let me think about it for a while.",
  text: ["First. ", "Second."],
  tool: { name: "search", input: { query: "mcp" } },
  usage: {
    cache_creation_input_tokens: 2048,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 2048 },
    service_tier: "standard",
  },
});

for (const stream of [false, true]) {
  const how = stream ? "streamed" : "whole";
  const meta = stream ? { progressToken: 1 } : undefined;

  Deno.test(`text joins the text blocks only, and the cache counters are told (${how})`, () =>
    withAsk(async (ask) => {
      const { result } = await ask.ask({ prompt: "Hello" }, meta);
      const { usage, ...rest } = result.structuredContent;
      assertEquals(rest, {
        model: "claude-sonnet-4-5-20250929",
        stop_reason: "tool_use",
        text: "First. Second.",
      });
      assertEquals(Object.entries(usage), [
        ["input_tokens", 12],
        ["output_tokens", usage.output_tokens],
        ["cache_creation_input_tokens", 2048],
        ["cache_read_input_tokens", 0],
      ]);
      assertEquals(JSON.parse(outcome({ result }).text), {
        ...rest,
        usage,
      });
    }, { behaviour: busy }));

  Deno.test(`a refusal of the model is an answer without text (${how})`, () =>
    withAsk(async (ask) => {
      const { result } = await ask.ask({ prompt: "Hello" }, meta);
      assertEquals(result.isError, undefined);
      assertEquals(result.structuredContent.stop_reason, "refusal");
      assertEquals(result.structuredContent.text, "");
    }, { behaviour: answer({ text: [], stopReason: "refusal" }) }));

  Deno.test(`a long answer comes whole (${how})`, () => {
    const text = "naïve 日本 ".repeat(20_000);
    return withAsk(async (ask) => {
      const { result } = await ask.ask({ prompt: "Hello" }, meta);
      assert(result.structuredContent.text === text);
    }, { behaviour: answer({ text }) });
  });
}

Deno.test("an upstream that streams unasked, or does not stream when asked, is understood", () =>
  withAsk(async (ask, fake) => {
    fake.behaviour = (call) => {
      call.stream = !call.stream;
      return answer()(call);
    };
    for (const meta of [undefined, { progressToken: "p" }]) {
      const { result } = await ask.ask({ prompt: "Hello" }, meta);
      assertEquals(result.structuredContent.text, "You said: Hello");
    }
    assertEquals(fake.asked.map(({ body }) => body["stream"]), [
      undefined,
      true,
    ]);
  }));

const long = "You know all about the Model Context Protocol. ".repeat(100);

Deno.test("a long system text is marked for the cache", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({ prompt: "Hi", system: long });
    await ask.ask({ prompt: "Hi", system: "short" });
    assertEquals(fake.asked.map(({ body }) => body["system"]), [
      [{ type: "text", text: long, cache_control: { type: "ephemeral" } }],
      "short",
    ]);
  }));

for (
  const start of [
    { env: { CLAUDE_MCP_CACHE: "off" } },
    { args: ["--no-cache"] },
    { args: ["--cache", "off"], env: { CLAUDE_MCP_CACHE: "on" } },
  ]
) {
  Deno.test(`the cache can be turned off: ${JSON.stringify(start)}`, () =>
    withAsk(async (ask, fake) => {
      await ask.ask({ prompt: "Hi", system: long });
      assertEquals(fake.asked[0]?.body["system"], long);
    }, start));
}

Deno.test("the tool is listed with its bounds and defaults", () =>
  withAsk(async (ask) => {
    const { result } = await ask.request("tools/list");
    assertEquals(result.tools.length, 1);
    const [{ name, description, inputSchema, outputSchema }] = result.tools;
    assertEquals(name, "ask_model");
    assertMatch(description, /Claude Messages API/);
    assertEquals(inputSchema.required, ["prompt"]);
    const { maxTokens, prompt, model, temperature } = inputSchema.properties;
    const { description: _, ...bounds } = maxTokens;
    assertEquals(bounds, {
      type: "integer",
      minimum: 1,
      maximum: 65536,
      default: 1024,
    });
    assertEquals([prompt.type, prompt.minLength], ["string", 1]);
    assertEquals(model.default, "claude-haiku-4-5");
    assertEquals([temperature.minimum, temperature.maximum], [0, 1]);
    assertEquals(outputSchema.required, [
      "model",
      "stop_reason",
      "usage",
      "text",
    ]);
  }, { env: { CLAUDE_MCP_MODEL: "claude-haiku-4-5" } }));
