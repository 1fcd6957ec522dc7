/** One model for many clients: `ask` behind `serve`, and as an entry of `aggregate`. */

import { assert, assertEquals } from "@std/assert";
import { ENVELOPE } from "../bridge/kit.ts";
import { answer } from "../fixtures/fake_answers.ts";
import { FAKE_KEY, startFakeMessages } from "../fixtures/fake_messages.ts";
import { program, startListening, startServe } from "../program.ts";
import { type Message, settings, until } from "./kit.ts";

/** Calls the tool over HTTP as a modern client, and gives all messages of the answer. */
async function call(
  url: string,
  name: string,
  prompt: string,
  signal?: AbortSignal,
): Promise<Message[]> {
  const method = "tools/call";
  const _meta = { ...ENVELOPE, progressToken: prompt };
  const params = { name, arguments: { prompt }, _meta };
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      "mcp-name": name,
    },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    ...signal && { signal },
  });
  const text = await response.text();
  if (response.headers.get("content-type") === "application/json") {
    return [JSON.parse(text)];
  }
  return [...text.matchAll(/^data: (.+)$/gm)].map(([, data = ""]) =>
    JSON.parse(data)
  );
}

Deno.test("clients share a model through serve: answers and progress go to whom they belong, who goes away is cancelled", async () => {
  const fake = await startFakeMessages({ behaviour: answer({ pace: 150 }) });
  const serve = await startServe(
    ["--pass-environment", "--", ...program(), "ask"],
    settings(fake),
  );
  const stop = new AbortController();
  const gone = call(serve.url, "ask_model", "gone", stop.signal).catch(() =>
    "gone"
  );
  const prompts = ["one", "two", "three"];
  const answers = prompts.map((prompt) => call(serve.url, "ask_model", prompt));
  await until("all are asked", () => fake.asked.length === 4);
  stop.abort();
  assertEquals(await gone, "gone");
  for (const [at, prompt] of prompts.entries()) {
    const messages = await answers[at] ?? [];
    const { result } = messages.pop();
    assertEquals(result.structuredContent.text, `You said: ${prompt}`);
    assert(messages.length > 0);
    assert(messages.every(({ params }) => params.progressToken === prompt));
  }
  await until(
    "the request of the one who went away is broken off",
    () => fake.aborts === 1,
  );
  assertEquals(await serve.stop(), 0);
  assert(!serve.stderr().includes(FAKE_KEY));
  await fake.close();
});

Deno.test("a model is an entry of aggregate like any other server", async () => {
  const fake = await startFakeMessages();
  const folder = await Deno.makeTempDir();
  const [command, ...args] = [...program(), "ask"];
  await Deno.writeTextFile(
    `${folder}/config.json`,
    JSON.stringify({
      mcpProxy: { addr: "127.0.0.1:0" },
      mcpServers: {
        model: {
          command,
          args,
          env: {
            CLAUDE_MCP_BASE_URL: "${MODEL_URL}",
            CLAUDE_MCP_API_KEY: "${MODEL_KEY}",
          },
        },
      },
    }),
  );
  const aggregate = await startListening(
    [...program(), "aggregate", "--config", `${folder}/config.json`],
    /http:\/\/[^\s/]+:(\d+)/,
    { MODEL_URL: fake.url, MODEL_KEY: FAKE_KEY },
  );
  await until(
    "the model is ready",
    () => aggregate.stderr().includes("All clients initialized"),
  );
  for (
    const [route, name] of [["/mcp", "model__ask_model"], [
      "/model/mcp",
      "ask_model",
    ]]
  ) {
    const messages = await call(
      `http://127.0.0.1:${aggregate.port}${route}`,
      name ?? "",
      "Hi",
    );
    assertEquals(
      messages.at(-1)?.result?.structuredContent?.text,
      "You said: Hi",
      JSON.stringify(messages),
    );
  }
  assertEquals(await aggregate.stop(), 0);
  assert(!aggregate.stderr().includes(FAKE_KEY));
  await fake.close();
  await Deno.remove(folder, { recursive: true });
});
