/** What a caller may not ask: a result that says so, and nothing goes to the API. */

import { assertEquals } from "@std/assert";
import { failure, withAsk } from "./kit.ts";

const TOKENS = "must be a whole number from 1 to 65536";
const STOPS = "must be a list of texts that are not empty";

const REFUSED: [what: string, args: unknown, text: string][] = [
  ["nothing", undefined, "prompt is missing"],
  ["no prompt", {}, "prompt is missing"],
  ["a prompt that is null", { prompt: null }, "prompt is missing"],
  ["an empty prompt", { prompt: "" }, "prompt must not be empty"],
  ["a blank prompt", { prompt: " \n\t" }, "prompt must not be empty"],
  ["a number as prompt", { prompt: 42 }, "prompt 42 must be a text"],
  ["a list as prompt", { prompt: ["a"] }, 'prompt ["a"] must be a text'],
  [
    "65537 tokens",
    { prompt: "Hi", maxTokens: 65537 },
    `maxTokens 65537 ${TOKENS}`,
  ],
  ["no tokens", { prompt: "Hi", maxTokens: 0 }, `maxTokens 0 ${TOKENS}`],
  [
    "half a token",
    { prompt: "Hi", maxTokens: 1.5 },
    `maxTokens 1.5 ${TOKENS}`,
  ],
  [
    "tokens as text",
    { prompt: "Hi", maxTokens: "512" },
    `maxTokens "512" ${TOKENS}`,
  ],
  [
    "max_tokens",
    { prompt: "Hi", max_tokens: 5000 },
    '"max_tokens" is unknown: maxTokens is meant',
  ],
  [
    "a number as system text",
    { prompt: "Hi", system: 1 },
    "system 1 must be a text",
  ],
  [
    "an object as model",
    { prompt: "Hi", model: {} },
    "model {} must be a text",
  ],
  [
    "a temperature of 2",
    { prompt: "Hi", temperature: 2 },
    "temperature 2 must be a number from 0 to 1",
  ],
  [
    "a temperature below 0",
    { prompt: "Hi", temperature: -0.1 },
    "temperature -0.1 must be a number from 0 to 1",
  ],
  [
    "a stop text alone",
    { prompt: "Hi", stopSequences: "END" },
    `stopSequences "END" ${STOPS}`,
  ],
  [
    "an empty stop text",
    { prompt: "Hi", stopSequences: [""] },
    `stopSequences [""] ${STOPS}`,
  ],
  [
    "several faults",
    { prompt: "", maxTokens: -1 },
    `prompt must not be empty; maxTokens -1 ${TOKENS}`,
  ],
  ["a list of arguments", ["Hi"], 'arguments ["Hi"] must be an object'],
  [
    "a long value",
    { prompt: "Hi", maxTokens: "9".repeat(200) },
    `maxTokens "${"9".repeat(79)}… ${TOKENS}`,
  ],
];

Deno.test("arguments that cannot be asked are refused, and nothing is sent", (t) =>
  withAsk(async (ask, fake) => {
    for (const [what, args, text] of REFUSED) {
      await t.step(what, async () => {
        const answer = await ask.request("tools/call", {
          name: "ask_model",
          ...args !== undefined && { arguments: args },
        });
        assertEquals(
          failure(answer),
          `Invalid arguments for ask_model: ${text}`,
        );
      });
    }
    assertEquals(fake.asked, []);
    const { result } = await ask.ask({ prompt: "Hi", maxTokens: 1 });
    assertEquals(result.isError, undefined);
  }));

Deno.test("a tool that does not exist is a JSON-RPC error, as MCP has it", () =>
  withAsk(async (ask, fake) => {
    for (
      const [name, shown] of [["ask", '"ask"'], [undefined, "nothing"], [
        7,
        "7",
      ]]
    ) {
      const { error } = await ask.request("tools/call", {
        name,
        arguments: { prompt: "Hi" },
      });
      assertEquals(error, {
        code: -32602,
        message: `Unknown tool: ${shown}; there is only ask_model`,
      });
    }
    assertEquals(fake.asked, []);
  }));
