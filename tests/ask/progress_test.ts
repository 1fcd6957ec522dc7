/** Progress while a model writes or thinks, and the end of calls that nobody wants any more. */

import { assert, assertEquals, assertMatch } from "@std/assert";
// @ts-types="npm:@modelcontextprotocol/sdk@^1.32.2/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="npm:@modelcontextprotocol/sdk@^1.32.2/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { answer, silence } from "../fixtures/fake_answers.ts";
import { startFakeMessages } from "../fixtures/fake_messages.ts";
import { program } from "../program.ts";
import { failure, settings, until, withAsk } from "./kit.ts";

const words = (count: number) => "word ".repeat(count).trim();

Deno.test("a caller who asks for progress hears how many tokens have come, at most 4 times a second", () =>
  withAsk(async (ask, fake) => {
    const token = "tökén-1";
    const began = performance.now();
    const { result } = await ask.ask({ prompt: "Hi" }, {
      progressToken: token,
    });
    const seconds = (performance.now() - began) / 1000;
    assertEquals(fake.asked[0]?.body["stream"], true);
    assertEquals(result.structuredContent.usage.output_tokens, 200);
    const told = ask.progress(token);
    assert(
      told.length >= 3 && told.length <= 4 * seconds + 1,
      `${told.length} in ${seconds} s`,
    );
    const values = told.map(({ progress }) => progress);
    assertEquals(
      values,
      [...new Set(values)].sort((a, b) => a - b),
      "it rises",
    );
    assert(values[0] > 0 && values.at(-1) <= 250, `${values}`);
    assertMatch(told[0].message, /^about \d+ tokens after \d+ s$/);
  }, { behaviour: answer({ text: words(200), pace: 8 }) }));

Deno.test("a caller who does not ask for progress gets none, and the answer is not streamed", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({ prompt: "Hi" });
    await ask.ask({ prompt: "Hi" }, { progressToken: null });
    assertEquals(fake.asked.map(({ body }) => body["stream"]), [
      undefined,
      undefined,
    ]);
    assertEquals(ask.others, []);
  }, { behaviour: answer({ pace: 600 }) }));

Deno.test("thinking counts, and while nothing comes at all progress still rises", () =>
  withAsk(async (ask) => {
    const [thought, silent] = await Promise.all([
      ask.ask({ prompt: "think" }, { progressToken: 7 }),
      ask.ask({ prompt: "wait" }, { progressToken: "7" }),
    ]);
    assertEquals(thought.result.structuredContent.text, "Done.");
    assertEquals(silent.result.structuredContent.text, "Done.");
    const [first] = ask.progress(7);
    assert(first.progress >= 1 && Number.isInteger(first.progress));
    const kept = ask.progress("7");
    assertEquals(kept[0].progress, 0.001);
    assertMatch(kept[0].message, /^no token yet after 1 s$/);
  }, {
    behaviour: (call) =>
      call.prompt === "think"
        ? answer({ thinking: words(100), text: "Done.", pace: 12 })(call)
        : answer({ thinkingMs: 2000, text: "Done." })(call),
  }));

Deno.test("the timeout starts anew with each piece of a stream, but not with a ping", async (t) => {
  await t.step("pieces", () =>
    withAsk(async (ask) => {
      const { result } = await ask.ask({ prompt: "Hi" }, { progressToken: 1 });
      assertEquals(result.structuredContent?.text, words(4));
    }, {
      behaviour: answer({ text: words(4), pace: 400 }),
      args: ["--timeout", "1s"],
    }));
  await t.step("pings", () =>
    withAsk(async (ask, fake) => {
      const told = failure(
        await ask.ask({ prompt: "Hi" }, { progressToken: 1 }),
      );
      assertMatch(told, /^No answer from \S+ within the timeout of 1000 ms; /);
      await until("the request is broken off", () => fake.aborts === 1);
    }, {
      behaviour: answer({ thinkingMs: 60_000 }),
      speed: 0.1,
      args: ["--timeout", "1s"],
    }));
});

for (const streamed of [false, true]) {
  Deno.test(`a cancelled call is broken off at once and has no answer (${streamed ? "streamed" : "whole"})`, () =>
    withAsk(async (ask, fake) => {
      const meta = streamed ? { progressToken: 1 } : undefined;
      await ask.begin({ prompt: "Hi" }, meta, "call-1");
      await until("the API is asked", () => fake.asked.length === 1);
      const began = performance.now();
      await ask.notify("notifications/cancelled", {
        requestId: "call-1",
        reason: "no need",
      });
      await until("the request is broken off", () => fake.aborts === 1);
      assert(performance.now() - began < 500);
      await until("its connection is closed", () => fake.sockets === 0);
      await ask.request("ping");
      assertEquals(ask.lines.filter((line) => line.includes("call-1")), []);
      const after = ask.others.length;
      await ask.notify("notifications/cancelled", { requestId: "call-1" });
      await ask.notify("notifications/cancelled", { requestId: 99 });
      await ask.notify("notifications/cancelled");
      await ask.request("ping");
      assertEquals(ask.others.length, after);
    }, { behaviour: streamed ? answer({ thinkingMs: 60_000 }) : silence }));
}

Deno.test("100 calls side by side with progress, 30 of them cancelled: 30 aborts, 70 answers, no socket stays", () =>
  withAsk(async (ask, fake) => {
    const calls = Array.from({ length: 100 }, (_, i) => i);
    const cancelled = calls.filter((i) => i % 10 < 3);
    const answered = calls.filter((i) => i % 10 >= 3);
    const answers = answered.map((i) =>
      ask.ask({ prompt: `number ${i}` }, { progressToken: i }, i)
    );
    for (const i of cancelled) {
      await ask.begin({ prompt: `number ${i}` }, { progressToken: i }, i);
    }
    await until("all are asked", () => fake.asked.length === 100);
    await until(
      "all make progress",
      () => calls.every((i) => ask.progress(i).length > 0),
    );
    for (const i of cancelled) {
      await ask.notify("notifications/cancelled", { requestId: i });
    }
    const results = await Promise.all(answers);
    for (const [at, i] of answered.entries()) {
      assertEquals(
        results[at]?.result.structuredContent.text,
        `number ${i}: ${words(40)}`,
      );
    }
    assertEquals(fake.aborts, 30);
    assertEquals(
      fake.asked.filter(({ aborted }) => aborted).map(({ body }) =>
        JSON.stringify(body["messages"])
      ).sort(),
      cancelled.map((i) =>
        JSON.stringify([{ role: "user", content: `number ${i}` }])
      ).sort(),
    );
    const ids = ask.lines.map((line) => JSON.parse(line)).filter(({ result }) =>
      result
    ).map(({ id }) => id);
    assertEquals(ids.sort((a, b) => a - b), answered);
    await until("no socket stays", () => fake.sockets === 0);
  }, {
    behaviour: (call) =>
      answer({ text: `${call.prompt}: ${words(40)}`, pace: 50 })(call),
  }));

Deno.test({
  name: "an answer of 5 minutes keeps a client waiting whose limit is a minute",
  // The SDK's transport leaves a timer behind when it is closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: fiveMinutes,
});

async function fiveMinutes(): Promise<void> {
  // A second of the fake's is a thirtieth of one, and so is the client's minute. The progress is not faster.
  const speed = 1 / 30, minute = 60_000 * speed;
  const fake = await startFakeMessages({
    speed,
    behaviour: answer({ thinkingMs: 4 * 60_000, text: words(60), pace: 1000 }),
  });
  const [command = "", ...args] = [...program(), "ask"];
  const client = new Client({ name: "host", version: "1.0.0" });
  await client.connect(
    new StdioClientTransport({
      command,
      args,
      env: { ...Deno.env.toObject(), ...settings(fake) },
      stderr: "ignore",
    }),
  );
  try {
    let told = 0;
    const began = performance.now();
    const result = await client.callTool(
      { name: "ask_model", arguments: { prompt: "Think hard" } },
      undefined,
      {
        timeout: minute,
        resetTimeoutOnProgress: true,
        onprogress: () => told++,
      },
    );
    assert(performance.now() - began > 4.9 * minute);
    assertEquals(
      (result.structuredContent as { text: string }).text,
      words(60),
    );
    assert(told >= 5, `${told} notifications`);
  } finally {
    await client.close();
    await fake.close();
  }
}
