/** Fifty servers: they start side by side, and what they offer comes from memory. */

import { assert, assertEquals } from "@std/assert";
import { alive, call, type Message, until } from "../serve/kit.ts";
import { aggregating, configOf, names, NOTED, open, say } from "./kit.ts";

const HERE = new URL("../fixtures/", import.meta.url).pathname;
const COUNT = 50;

/** Light children: what starts fifty of them is not to be the measure. */
function light(...flags: string[]): Message {
  return {
    command: "node",
    args: [`${HERE}legacy_server.mjs`, ...NOTED, ...flags],
  };
}

const fifty = (...flags: string[]) =>
  Object.fromEntries(
    Array.from({ length: COUNT }, (_, n) => [`s${n}`, light(...flags)]),
  );

Deno.test("fifty servers start side by side; their list comes at once from memory", () =>
  aggregating(configOf(fifty()), async (aggregate) => {
    await until(
      "all are up",
      () => aggregate.stderr().includes("All clients initialized"),
      30_000,
    );
    const times = [
      ...aggregate.stderr().matchAll(/Successfully initialized.* ms=(\d+)/g),
    ]
      .map(([, ms]) => Number(ms));
    assertEquals(times.length, COUNT);
    const session = await open(aggregate.mcp);
    const tools = await names(session, "tools");
    assertEquals(new Set(tools).size, tools.length);
    assertEquals(tools.length % COUNT, 0);
    const began = performance.now();
    for (let round = 0; round < 10; round++) await names(session, "tools");
    const each = (performance.now() - began) / 10;
    assert(each < 100, `a list takes ${each} ms`);
    assertEquals(await say(session, "s49__echo", { text: "x" }), "x");
    assertEquals(
      aggregate.pids().filter(alive).length,
      COUNT,
      "one process each",
    );
  }));

Deno.test("the first list comes within one and a half times the slowest server's start", () =>
  aggregating(
    configOf({
      ...Object.fromEntries(
        Array.from({ length: 12 }, (_, n) => [`s${n}`, light()]),
      ),
      slow: light("--slow-start", "1500"),
    }),
    async (aggregate) => {
      const began = performance.now();
      const session = await open(aggregate.mcp);
      const tools = await names(session, "tools");
      const took = performance.now() - began;
      assert(tools.includes("slow__echo"), "it is waited for");
      assert(took < 1.5 * 2000, `${took} ms`);
    },
  ));

Deno.test("the end comes within five seconds though fifty servers are at work, and leaves nobody", () =>
  aggregating(configOf(fifty("--ignore-sigterm")), async (aggregate) => {
    await until(
      "all are up",
      () => aggregate.stderr().includes("All clients initialized"),
      30_000,
    );
    const session = await open(aggregate.mcp);
    const stream = await session.get();
    const running = Array.from(
      { length: COUNT },
      (_, n) =>
        session.send(call(`s${n}__sleep`, { ms: 60_000 })).catch(() =>
          undefined
        ),
    );
    await until("all calls run", async () => {
      const { servers } = await aggregate.status();
      return Object.keys(servers).length === COUNT;
    });
    const began = performance.now();
    assertEquals(await aggregate.stop(), 0);
    const took = performance.now() - began;
    assert(took < 5000, `${took} ms`);
    await Promise.all(running);
    await stream.cancel();
    assertEquals(aggregate.pids().filter(alive), []);
  }));

Deno.test("sessions that end leave nothing behind", () =>
  aggregating(
    configOf({ a: light(), b: light() }),
    async (aggregate) => {
      const capabilities = { sampling: {} };
      const rss = () => {
        const text = Deno.readTextFileSync(`/proc/${aggregate.pid}/status`);
        return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1]) / 1024;
      };
      const round = async () => {
        for (let n = 0; n < 150; n++) {
          const session = await open(aggregate.mcp);
          await names(session, "resources");
          await say(session, "a__echo", { text: "x".repeat(1000) });
          await session.end();
        }
      };
      for (let n = 0; n < 3; n++) {
        const session = await open(aggregate.mcp, undefined, capabilities);
        await say(session, "a__echo");
        await session.end();
      }
      await round();
      const before = rss();
      await round();
      await round();
      assert(rss() < before * 1.25 + 8, `${before} MB, then ${rss()} MB`);
      await until("one process each is left", () =>
        aggregate.pids().filter(alive).length <= 3);
    },
  ));
