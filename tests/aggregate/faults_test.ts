/** Servers that are not as they should be: the others do not notice, people are told, and each comes back by itself. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startRemote } from "../fixtures/remote_server.ts";
import { call, type Message, type Session, until } from "../serve/kit.ts";
import {
  aggregating,
  ask,
  askModern,
  configOf,
  legacyEntry,
  modernEntry,
  names,
  open,
  say,
} from "./kit.ts";

const GOOD = ["g1", "g2", "g3", "g4", "g5"];
const good = () =>
  Object.fromEntries(GOOD.map((name) => [name, legacyEntry()]));

/** The median time of calls to the good servers, in ms. */
async function usual(session: Session): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 20; round++) {
    for (const name of GOOD) {
      const began = performance.now();
      await say(session, `${name}__echo`, { text: "x" });
      times.push(performance.now() - began);
    }
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
}

Deno.test("five servers answer as before beside one that crashes, hangs, talks garbage, floods, or is away", async () => {
  const remote = startRemote();
  await remote.stop();
  try {
    await aggregating(
      configOf({
        crashes: legacyEntry({}, "--die-at-start"),
        hangs: legacyEntry({}, "--hang"),
        garbles: legacyEntry({}, "--stderr-flood"),
        floods: legacyEntry(),
        away: {
          url: `${remote.url}`,
          transportType: "streamable-http",
        },
        ...good(),
      }),
      async (aggregate) => {
        const began = performance.now();
        const session = await open(aggregate.mcp);
        const tools = await names(session, "tools");
        assert(
          performance.now() - began < 6000,
          "the hanging one is not waited for",
        );
        for (const name of GOOD) assert(tools.includes(`${name}__echo`));
        const again = performance.now();
        await open(aggregate.mcp).then((one) => names(one, "tools"));
        assert(performance.now() - again < 1000, "and waited for only once");
        await ask(session, "logging/setLevel", { level: "debug" });

        const before = await usual(session);
        const noise = Promise.all([
          session.send(call("floods__flood", { n: 20_000 })),
          session.send(call("garbles__garbage", { lines: 5000 })),
        ]);
        const during = await usual(session);
        assert(during < before * 4 + 30, `${before} ms, then ${during} ms`);
        await noise;

        const dead = await session.send(call("crashes__echo"));
        assertStringIncludes(dead.message.error.message, '"crashes"');
        const away = await session.send(call("away__echo"));
        assertStringIncludes(away.message.error.message, '"away"');
        const { servers } = await aggregate.status();
        assertEquals(servers.crashes.state, "failed");
        assertStringIncludes(
          servers.crashes.lastError,
          "cannot start, as asked",
        );
        assertEquals(servers.hangs.state, "starting");
        assertEquals(servers.away.state, "failed");
        assert(servers.away.lastError !== "");
        for (const name of GOOD) assertEquals(servers[name].state, "running");
        const page = await (await fetch(`${aggregate.origin}/`)).text();
        assertStringIncludes(page, "cannot start, as asked");

        const stream = await session.get();
        remote.start();
        await until(
          "the remote one is listed",
          async () =>
            (await names(session, "tools")).some((name) =>
              name.startsWith("away__")
            ),
        );
        await until(
          "that was told",
          async () =>
            (await stream.next()).method === "notifications/tools/list_changed",
        );
        await stream.cancel();
        await remote.stop();
        await session.send(call("away__echo", { text: "x" }));
        await until(
          "it is seen to be away",
          async () => (await aggregate.server("away")).state === "failed",
          20_000,
        );
        remote.start();
        await until(
          "it is back again",
          async () => (await aggregate.server("away")).state === "running",
        );
      },
    );
  } finally {
    await remote.close();
  }
});

Deno.test("a server that crashed is there again, for all that clients had agreed on with it", () =>
  aggregating(
    configOf({ a: legacyEntry(), m: modernEntry() }),
    async (aggregate) => {
      for (const capabilities of [{}, { sampling: {} }]) {
        const session = await open(aggregate.mcp, undefined, capabilities);
        await ask(session, "resources/subscribe", { uri: "fixture://b" });
        const before = JSON.parse(await say(session, "a__pid")).pid;
        const { message } = await session.send(call("a__crash"));
        assertStringIncludes(message.error.message, '"a"');
        const after = await until("another process", async () => {
          const { message } = await session.send(call("a__pid"));
          const text = message.result?.content[0].text;
          return text && JSON.parse(text).pid;
        });
        assert(after !== before);
        await until(
          "the subscription",
          async () =>
            (await say(session, "a__subscribed")).includes("fixture://b"),
        );
        await session.end();
      }
      await askModern(aggregate.mcp, "tools/call", { name: "m__crash" });
      await until("the modern one", async () => {
        const { result } = await askModern(aggregate.mcp, "tools/call", {
          name: "m__echo",
          arguments: { text: "back" },
        });
        return result?.content?.[0].text === "back";
      });
    },
  ));

Deno.test("servers that crash whenever they have answered are failed, and are left alone ever longer", () =>
  aggregating(
    configOf({
      loop: legacyEntry({}, "--crash-after-init"),
      modern: modernEntry({}, "--crash-after-init"),
      good: legacyEntry(),
    }),
    async (aggregate) => {
      const session = await open(aggregate.mcp);
      const stream = await session.get();
      await until("both have failed a few times", async () => {
        const { loop, modern } = (await aggregate.status()).servers;
        return loop.restarts > 3 && modern.restarts > 2 &&
          loop.state === "failed" && modern.state === "failed";
      });
      const { servers } = await aggregate.status();
      assertStringIncludes(servers.loop.lastError, "exited with code 3");
      assert(aggregate.pids().length < 30, `${aggregate.pids().length}`);
      const { message } = await session.send(call("loop__echo"));
      assertStringIncludes(message.error.message, '"loop"');
      assertEquals(await say(session, "good__echo", { text: "x" }), "x");
      aggregate.write(configOf({
        loop: legacyEntry(),
        modern: modernEntry(),
        good: legacyEntry(),
      }));
      await until(
        "it is listed",
        async () => (await names(session, "tools")).includes("loop__echo"),
      );
      await until("the other one too", async () => {
        const { result } = await askModern(aggregate.mcp, "tools/list");
        return result?.tools.some(({ name }: Message) =>
          name === "modern__echo"
        );
      });
      await stream.cancel();
    },
  ));

Deno.test("a config that is mended brings a server up at once, whatever it has waited for", () =>
  aggregating(
    configOf({ a: { command: "/nowhere/at-all" }, b: legacyEntry() }),
    async (aggregate) => {
      await until(
        "it has failed a few times",
        async () => (await aggregate.server("a")).state === "failed",
      );
      const session = await open(aggregate.mcp);
      const unknown = await session.send(call("a__echo"));
      assertStringIncludes(unknown.message.error.message, "/nowhere/at-all");
      aggregate.write(configOf({ a: legacyEntry(), b: legacyEntry() }));
      await until(
        "it is listed",
        async () => (await names(session, "tools")).includes("a__echo"),
        4000,
      );
      assertEquals(await say(session, "a__echo", { text: "x" }), "x");
    },
  ));

Deno.test("one process that fails does not take down those that work", () =>
  aggregating(
    configOf({ a: onlyOnce() }),
    async (aggregate) => {
      const shared = await open(aggregate.mcp);
      assertEquals(await say(shared, "a__echo", { text: "x" }), "x");
      const own = await open(aggregate.mcp, undefined, { roots: {} });
      const { message } = await own.send(call("a__echo"));
      assert(message.error, "a second process cannot be had");
      assertEquals((await aggregate.server("a")).state, "running");
      assert((await names(shared, "tools")).includes("a__echo"));
      assertEquals(await say(shared, "a__echo", { text: "y" }), "y");
    },
  ));

/** A server of which there can be only one: it takes a lock. */
function onlyOnce(): Message {
  const { command, args } = legacyEntry();
  const quoted = [command, ...args].map((word: string) => `'${word}'`);
  const text = `mkdir JOURNAL.lock || exit 1; exec ${quoted.join(" ")}`;
  return { command: "sh", args: ["-c", text] };
}

Deno.test("panicIfInvalid: a server that cannot be started ends the program with 1", () =>
  aggregating(
    configOf({
      a: legacyEntry({ panicIfInvalid: true }, "--die-at-start"),
      b: legacyEntry(),
    }),
    async (aggregate) => {
      assertEquals(await aggregate.ended, 1);
      assertStringIncludes(aggregate.stderr(), "Failed to add clients: ");
      assertStringIncludes(aggregate.stderr(), "cannot start, as asked");
    },
    { code: 1 },
  ));
