/** The official SDK against the fake: what it understands is the API, and so the fake may stand for it. */

import Anthropic from "npm:@anthropic-ai/sdk@1.11.0";
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  answer,
  error,
  hangUp,
  overloaded,
  rateLimited,
} from "../fixtures/fake_answers.ts";
import {
  FAKE_KEY,
  type FakeMessages,
  startFakeMessages,
} from "../fixtures/fake_messages.ts";

async function withSdk(
  test: (client: Anthropic, fake: FakeMessages) => Promise<void>,
  options: { apiKey?: string; maxRetries?: number } = {},
): Promise<void> {
  const fake = await startFakeMessages();
  try {
    await test(
      new Anthropic({
        baseURL: fake.url,
        apiKey: FAKE_KEY,
        maxRetries: 0,
        ...options,
      }),
      fake,
    );
  } finally {
    await fake.close();
  }
}

const HELLO = {
  model: "claude-sonnet-5-5",
  max_tokens: 100,
  messages: [{ role: "user" as const, content: "Hello" }],
};

const BUSY = answer({
  thinking: "Let me see what this is",
  text: ["First. ", "Second."],
  tool: { name: "search", input: { query: "mcp" } },
  usage: { cache_read_input_tokens: 5 },
});

Deno.test("the official SDK reads the fake's answer", () =>
  withSdk(async (client) => {
    const { type, role, model, stop_reason, content, usage } = await client
      .messages.create(HELLO);
    assertEquals([type, role, model, stop_reason], [
      "message",
      "assistant",
      "claude-sonnet-5-5-20250929",
      "end_turn",
    ]);
    assertEquals(
      content,
      [{ type: "text", text: "You said: Hello" }] as unknown as typeof content,
    );
    assertEquals([usage.input_tokens, usage.output_tokens], [12, 3]);
  }));

Deno.test("the official SDK puts the fake's stream together to the same message", () =>
  withSdk(async (client, fake) => {
    fake.behaviour = BUSY;
    const whole = await client.messages.create(HELLO);
    const streamed = await client.messages.stream(HELLO).finalMessage();
    assertEquals(streamed.content, whole.content);
    assertEquals(streamed.stop_reason, whole.stop_reason);
    assertEquals(streamed.usage.output_tokens, whole.usage.output_tokens);
    assertEquals(streamed.usage.cache_read_input_tokens, 5);
  }));

Deno.test("the official SDK knows the fake's errors", async (t) => {
  const cases = [
    { model: "nope", is: Anthropic.NotFoundError },
    {
      behaviour: error(400, "invalid_request_error", "x"),
      is: Anthropic.BadRequestError,
    },
    {
      behaviour: error(403, "permission_error", "x"),
      is: Anthropic.PermissionDeniedError,
    },
    { behaviour: rateLimited("1"), is: Anthropic.RateLimitError },
    { behaviour: overloaded, is: Anthropic.InternalServerError },
    { behaviour: hangUp, is: Anthropic.APIConnectionError },
  ];
  for (const { behaviour, model, is } of cases) {
    await t.step(is.name, () =>
      withSdk(async (client, fake) => {
        if (behaviour) fake.behaviour = behaviour;
        const cause = await assertRejects(
          () =>
            client.messages.create({ ...HELLO, ...model && { model } })
              .asResponse(),
          Anthropic.APIError,
        );
        assert(cause instanceof is, cause.constructor.name);
        if (cause.requestID) assertEquals(cause.requestID, "req_1");
      }));
  }
  await t.step("a key that is refused", () =>
    withSdk(async (client) => {
      await assertRejects(
        () => client.messages.create(HELLO).asResponse(),
        Anthropic.AuthenticationError,
      );
    }, { apiKey: "wrong" }));
  await t.step(
    "in the middle of a stream",
    () =>
      withSdk(async (client, fake) => {
        fake.behaviour = answer({
          fault: {
            after: 1,
            as: { type: "overloaded_error", message: "Overloaded" },
          },
        });
        await assertRejects(
          () => client.messages.stream(HELLO).finalMessage(),
          Anthropic.APIError,
        );
      }),
  );
});

Deno.test("the official SDK tries again when the fake says so", () =>
  withSdk(async (client, fake) => {
    fake.next.push(
      error(529, "overloaded_error", "Overloaded", { "retry-after-ms": "5" }),
    );
    await client.messages.create(HELLO);
    assertEquals(fake.asked.length, 2);
  }, { maxRetries: 1 }));
