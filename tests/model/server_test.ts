/** The bounds of the server around a model, without a process and without an API. */

import { assertEquals } from "@std/assert";
import { type Model, ModelServer } from "../../lib/model/server.ts";
import { readFrame } from "../../lib/mcp/frame.ts";
import { request } from "../../lib/mcp/message.ts";
import type { Exchange } from "../../lib/wire/leg.ts";

const CALL = { name: "ask_model", arguments: { prompt: "Hi" } };

Deno.test("256 calls run at once, and one more is refused until one of them has ended", async () => {
  const answers: (() => void)[] = [];
  const model: Model = {
    ask: () =>
      new Promise((resolve) =>
        answers.push(() =>
          resolve({
            model: "m",
            stop_reason: "end_turn",
            usage: { input_tokens: 1, output_tokens: 1 },
            text: "Hello",
          })
        )
      ),
  };
  const server = new ModelServer(model, "m");
  const heard = new Map<number, string>();
  const exchange: Exchange = {
    push() {},
    respond(bytes) {
      const { id, result } = JSON.parse(new TextDecoder().decode(bytes));
      heard.set(
        id,
        result.isError ? result.content[0].text : result.structuredContent.text,
      );
    },
    refuse() {},
    cancelled() {},
  };
  const call = (id: number) =>
    server.request(readFrame(request(id, "tools/call", CALL)), exchange);
  for (let id = 1; id <= 257; id++) call(id);
  assertEquals([...heard], [[
    257,
    "256 calls run already; wait until one of them has ended",
  ]]);
  answers.shift()?.();
  await new Promise((resolve) => setTimeout(resolve, 0));
  call(258);
  assertEquals(answers.length, 256);
  answers.forEach((answer) => answer());
  await new Promise((resolve) => setTimeout(resolve, 0));
  assertEquals(heard.size, 258);
  assertEquals(heard.get(258), "Hello");
});

Deno.test("a failure inside is a failed call, and its text is told", async () => {
  const model: Model = {
    ask: () => Promise.reject(new TypeError("x is not a function")),
  };
  const server = new ModelServer(model, "m");
  const told = new Promise<string>((resolve) => {
    server.request(readFrame(request(1, "tools/call", CALL)), {
      push() {},
      respond: (bytes) => resolve(new TextDecoder().decode(bytes)),
      refuse() {},
      cancelled() {},
    });
  });
  assertEquals(JSON.parse(await told).result, {
    content: [{ type: "text", text: "x is not a function" }],
    isError: true,
  });
});
