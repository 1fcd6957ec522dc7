/** A config that changes while clients are at work: nothing is lost, nothing runs twice, sessions stay. */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  alive,
  call,
  Events,
  modernPost,
  request,
  type Session,
  until,
} from "../serve/kit.ts";
import {
  type Aggregate,
  aggregating,
  ask,
  askModern,
  bearer,
  configOf,
  legacyEntry,
  modernEntry,
  names,
  open,
  say,
} from "./kit.ts";

const applied = (aggregate: Aggregate, what: string) =>
  until(
    `the change ${what}`,
    () => aggregate.stderr().includes(`The config was read again: ${what}`),
  );

/** Calls a tool all the time; gives what went wrong, and how often each key was sent. */
function calling(session: Session, tool: string, name: string = tool) {
  let going = true, sent = 0;
  const wrong: string[] = [];
  const done = (async () => {
    while (going) {
      const key = `${name} ${sent++}`;
      const { message } = await session.send(call(tool, { text: key, key }));
      if (message?.result?.content[0].text !== key) {
        wrong.push(JSON.stringify(message));
      }
    }
  })();
  return async (aggregate: Aggregate) => {
    going = false;
    await done;
    const repeated: string[] = [];
    for (let n = 0; n < sent; n++) {
      if (aggregate.runs(`${name} ${n}`) !== 1) repeated.push(`${name} ${n}`);
    }
    assertEquals(wrong, []);
    assertEquals(repeated, []);
    assert(sent > 3, `only ${sent} calls of ${tool}`);
  };
}

Deno.test("a server that is added is there, one that is removed is gone, and calls go on all the while", () =>
  aggregating(
    configOf({ a: legacyEntry(), b: legacyEntry() }),
    async (aggregate) => {
      const all = await open(aggregate.mcp);
      const own = await open(aggregate.named("a"));
      const stream = await all.get();
      const stop = [calling(all, "a__echo"), calling(own, "echo")];
      const pids = (await aggregate.server("b")).pids;
      assertEquals(pids.length, 1);
      const slow = say(all, "b__sleep", { ms: 700 });
      aggregate.write(configOf({ a: legacyEntry(), c: legacyEntry() }));
      await applied(aggregate, "- b, + c");
      assertEquals((await stream.next()).method.endsWith("list_changed"), true);
      await until(
        "c is listed",
        async () => (await names(all, "tools")).includes("c__echo"),
      );
      assert(!(await names(all, "tools")).includes("b__echo"));
      const { message } = await all.send(call("b__echo"));
      assertStringIncludes(message.error.message, "not found");
      assertEquals(await slow, "slept 700", "a running call ends normally");
      await until("b has ended", () => !pids.some(alive));
      const gone = await fetch(aggregate.named("b"), { method: "POST" });
      assertEquals(gone.status, 404);
      await gone.body?.cancel();
      for (const end of stop) await end(aggregate);
      await stream.cancel();
    },
  ));

Deno.test("another command takes the old one's place; running calls end on the old process, sessions stay", () =>
  aggregating(
    configOf({ a: legacyEntry(), b: legacyEntry() }),
    async (aggregate) => {
      const all = await open(aggregate.mcp);
      const own = await open(aggregate.named("a"));
      const asking = await open(aggregate.mcp, undefined, { sampling: {} });
      await ask(all, "resources/subscribe", { uri: "fixture://a" });
      const before = JSON.parse(await say(all, "a__pid")).pid;
      const other = await say(all, "b__pid");
      await say(asking, "a__echo");
      const stop = [
        calling(all, "a__echo"),
        calling(own, "echo"),
        calling(asking, "a__echo", "asking"),
      ];
      const slow = say(all, "a__sleep", { ms: 500 });
      aggregate.write(
        configOf({ a: legacyEntry({}, "--name", "new"), b: legacyEntry() }),
      );
      await applied(aggregate, "~ a");
      assertEquals(await slow, "slept 500");
      const after = await until("another process", async () => {
        const { pid } = JSON.parse(await say(all, "a__pid"));
        return pid !== before && pid;
      });
      assert(alive(after));
      assertEquals(await say(all, "a__subscribed"), '["fixture://a"]');
      assertEquals(await say(all, "b__pid"), other, "b was not touched");
      await until("the old process has ended", () => !alive(before));
      for (const end of stop) await end(aggregate);
    },
  ));

Deno.test("filter, prefix and token change without a new process, and are told", () =>
  aggregating(configOf({ a: legacyEntry() }), async (aggregate) => {
    const all = await open(aggregate.mcp);
    const own = await open(aggregate.named("a"));
    const streams = [await all.get(), await own.get()];
    const before = await say(all, "a__pid");
    const toolFilter = { mode: "allow", list: ["e*", "pid"] };
    aggregate.write(configOf({ a: legacyEntry({ toolFilter }) }));
    for (const stream of streams) {
      await until(
        "the tools have changed",
        async () =>
          (await stream.next()).method === "notifications/tools/list_changed",
      );
    }
    assertEquals((await names(all, "tools")).sort(), [
      "a__echo",
      "a__env",
      "a__exit",
      "a__pid",
    ]);
    assertEquals((await names(own, "tools")).length, 4);
    assert((await all.send(call("a__sleep"))).message.error);
    assert((await own.send(call("sleep"))).message.error);
    aggregate.write(
      configOf({ a: legacyEntry({ toolFilter, prefix: false }) }),
    );
    await until(
      "other names",
      async () => (await names(all, "tools")).includes("echo"),
    );
    assert((await all.send(call("a__echo"))).message.error);
    assertEquals(await say(all, "pid"), before);
    aggregate.write(configOf({ a: legacyEntry({ authTokens: ["t"] }) }));
    await until("it is closed", async () => {
      const answer = await all.post({ jsonrpc: "2.0", id: 1, method: "ping" });
      await answer.body?.cancel();
      return answer.status === 401;
    });
    const page = await fetch(`${aggregate.origin}/`);
    assertEquals(page.status, 401);
    await page.body?.cancel();
    const known = await open(aggregate.mcp, "t");
    assertEquals(await say(known, "a__pid"), before);
    aggregate.write(configOf({ a: legacyEntry({ authTokens: ["u"] }) }));
    await until("the token is another one", async () => {
      const { status, body } = await fetch(`${aggregate.origin}/status`, {
        headers: bearer("u"),
      });
      await body?.cancel();
      return status === 200;
    });
    await assertRejects(() => open(aggregate.mcp, "t"));
    for (const stream of streams) await stream.cancel();
  }));

Deno.test("who loses a server is told, and whoever may not use one any more hears nothing of it", () => {
  const config = (b: string[], c: string[], d: string[] = ["t"]) =>
    configOf({
      a: legacyEntry({ authTokens: d }),
      b: legacyEntry({ authTokens: b }),
      c: modernEntry({ authTokens: c }),
    });
  return aggregating(config(["t", "u"], ["t", "u"]), async (aggregate) => {
    const all = await open(aggregate.mcp, "t");
    const own = await open(aggregate.named("a"), "t");
    assert((await names(all, "tools")).includes("b__echo"));
    const stream = await all.get();
    const listen = request("subscriptions/listen", {
      notifications: { toolsListChanged: true },
    });
    const headers = bearer("t");
    const listening = new Events(
      await modernPost(aggregate.named("c"), listen, { headers }),
    );
    await listening.next();
    aggregate.write(config(["u"], ["t", "u"]));
    await applied(aggregate, "~ b");
    await until(
      "it is told",
      async () =>
        (await stream.next()).method === "notifications/tools/list_changed" &&
        !(await names(all, "tools")).includes("b__echo"),
    );
    aggregate.write(config(["u"], ["u"]));
    await applied(aggregate, "~ c");
    assertStringIncludes((await listening.next()).error.message, "token");
    aggregate.write(config(["u"], ["u"], []));
    await applied(aggregate, "~ a");
    const { message } = await own.send(request("ping"));
    assertStringIncludes(message.error.message, "token");
    assertEquals((await aggregate.server("a", "u")).sessions, 0);
    await stream.cancel();
  });
});

Deno.test("an invalid config changes nothing and is told with all its problems", () =>
  aggregating(configOf({ a: legacyEntry() }), async (aggregate) => {
    const all = await open(aggregate.mcp);
    const before = await say(all, "a__pid");
    const bad = configOf({ a: { args: [1] }, b: { command: "" } });
    aggregate.write(bad);
    await until(
      "it is refused",
      () => aggregate.stderr().includes("The config is not applied"),
    );
    for (const path of ["mcpServers.a", "mcpServers.b"]) {
      assertStringIncludes(aggregate.stderr(), path);
    }
    aggregate.overwrite("{ this is no JSON");
    await until(
      "that too",
      () => aggregate.stderr().split("The config is not applied").length > 2,
    );
    assertEquals(await say(all, "a__pid"), before);
    aggregate.write(configOf({ a: legacyEntry(), b: legacyEntry() }));
    await applied(aggregate, "+ b");
    assertEquals(await say(all, "a__pid"), before);
  }));

Deno.test("twenty changes in a second end in the last one", () =>
  aggregating(
    configOf({ a: legacyEntry(), m: modernEntry() }),
    async (aggregate) => {
      const all = await open(aggregate.mcp);
      await askModern(aggregate.mcp, "tools/list");
      const stop = calling(all, "a__echo");
      for (let n = 1; n <= 20; n++) {
        const name = ["--name", `number ${n}`];
        const config = configOf({
          a: legacyEntry({}, ...name),
          m: modernEntry({}, ...name),
          ...n % 2 === 0 ? { b: legacyEntry() } : {},
        });
        if (n % 3 === 0) aggregate.overwrite(config);
        else aggregate.write(config);
        await new Promise((done) => setTimeout(done, 50));
      }
      await until("b is there", async () =>
        (await names(all, "tools")).includes("b__echo"));
      await until("the last m", async () => {
        const { result } = await askModern(aggregate.mcp, "tools/call", {
          name: "m__echo",
        });
        const from = result?._meta["io.modelcontextprotocol/serverInfo"].name;
        return from === "number 20";
      });
      const own = await open(aggregate.named("a"));
      assertEquals(own.first.message.result.serverInfo.name, "number 20");
      await stop(aggregate);
      await own.end();
      await until("nothing old is left", async () => {
        const { servers } = await aggregate.status();
        const known = Object.values(servers).flatMap((one) =>
          (one as { pids: number[] }).pids
        );
        const running = aggregate.pids().filter(alive);
        return running.length === known.length && running.length <= 8;
      });
    },
  ));

Deno.test("SIGHUP reads the config again", () =>
  aggregating(configOf({ a: legacyEntry() }), async (aggregate) => {
    const all = await open(aggregate.mcp);
    aggregate.write(configOf({ a: legacyEntry(), b: legacyEntry() }));
    await new Promise((done) => setTimeout(done, 300));
    assertEquals(await aggregate.server("b"), undefined);
    Deno.kill(aggregate.pid, "SIGHUP");
    await applied(aggregate, "+ b");
    await until(
      "b is listed",
      async () => (await names(all, "tools")).includes("b__echo"),
    );
  }, { args: ["-no-watch"] }));
