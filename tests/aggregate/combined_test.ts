/** The combined endpoint: what one server can do works through it with many. */

import { assert, assertEquals } from "@std/assert";
import { call, Events, modernPost, request, until } from "../serve/kit.ts";
import {
  aggregating,
  ask,
  askModern,
  configOf,
  heardOf,
  legacyEntry,
  modernEntry,
  names,
  open,
  say,
} from "./kit.ts";

const two = () => configOf({ one: legacyEntry(), two: legacyEntry() });

Deno.test("tools and prompts carry their server's name, and calls go to their owner", () =>
  aggregating(two(), async (aggregate) => {
    const session = await open(aggregate.mcp);
    const { result } = session.first.message;
    assertEquals(result.serverInfo, { name: "All", version: "1.0.0" });
    assertEquals(result.capabilities.tools, { listChanged: true });
    assert(result.instructions.includes("# one\n\nBe kind"));
    const tools = await names(session, "tools");
    assertEquals(tools.filter((name) => name.endsWith("echo")), [
      "one__echo",
      "two__echo",
    ]);
    assertEquals(await names(session, "prompts"), ["one__greet", "two__greet"]);
    const one = JSON.parse(await say(session, "one__pid"));
    const two = JSON.parse(await say(session, "two__pid"));
    assert(one.pid !== two.pid);
    const prompt = await ask(session, "prompts/get", {
      name: "two__greet",
      arguments: { who: "you" },
    });
    assertEquals(prompt.messages[0].content.text, "Hi you");
    const { message } = await session.send(call("three__echo"));
    assertEquals(message.error.code, -32602);
    const completed = await ask(session, "completion/complete", {
      ref: { type: "ref/prompt", name: "one__greet" },
      argument: { name: "who", value: "x" },
    });
    assertEquals(completed.completion.values, ["x-completed"]);
  }));

Deno.test("resources keep their URI unless two servers have it; its changes are told under the same name", () =>
  aggregating(two(), async (aggregate) => {
    const session = await open(aggregate.mcp);
    const uris = await names(session, "resources");
    assert(uris.includes("fixture://a") && uris.includes("two+fixture://a"));
    assert(
      (await names(session, "resourceTemplates")).includes(
        "two+fixture://{name}",
      ),
    );
    const read = await ask(session, "resources/read", {
      uri: "two+fixture://a",
    });
    assertEquals(read.contents[0].uri, "two+fixture://a");
    await ask(session, "resources/subscribe", { uri: "two+fixture://a" });
    const stream = await session.get();
    await say(session, "two__update", { uri: "fixture://a" });
    const told = await until("an update", async () => {
      const { method, params } = await stream.next();
      return method === "notifications/resources/updated" && params;
    });
    assertEquals(told.uri, "two+fixture://a");
    assertEquals(await say(session, "one__subscribed"), "[]");
    await ask(session, "resources/unsubscribe", { uri: "two+fixture://a" });
    assertEquals(await say(session, "two__subscribed"), "[]");
    await stream.cancel();
  }));

Deno.test("a client that can be asked is asked by the server that it calls", () =>
  aggregating(two(), async (aggregate) => {
    const capabilities = { sampling: {}, roots: {} };
    const session = await open(aggregate.mcp, undefined, capabilities);
    const other = await open(aggregate.mcp, undefined, capabilities);
    const params = { messages: [], maxTokens: 1 };
    const said = await session.talk(
      call("two__ask", { method: "sampling/createMessage", params }),
      (asked) => ({ model: asked.method }),
    );
    const { result } = JSON.parse(said.result.content[0].text);
    assertEquals(result.model, "sampling/createMessage");
    const mine = JSON.parse(await say(session, "one__pid")).pid;
    const others = JSON.parse(await say(other, "one__pid")).pid;
    assert(mine !== others, "each has a process for itself");
    const client = JSON.parse(await say(session, "one__client"));
    assertEquals(client.capabilities, capabilities);
    assertEquals(client.clientInfo.name, "test");
  }));

Deno.test("clients that cannot be asked share a process", () =>
  aggregating(two(), async (aggregate) => {
    const one = await open(aggregate.mcp), two = await open(aggregate.mcp);
    assertEquals(await say(one, "one__pid"), await say(two, "one__pid"));
  }));

Deno.test("progress, log lines and cancellation stay with their request", () =>
  aggregating(two(), async (aggregate) => {
    const session = await open(aggregate.mcp);
    await ask(session, "logging/setLevel", { level: "info" });
    const heard: unknown[] = [];
    const meta = { progressToken: "mine" };
    await session.talk(
      call("one__progress", { n: 3 }, undefined, meta),
      () => ({}),
      ({ params }) => heard.push(params.progressToken),
    );
    assertEquals(heard, ["mine", "mine", "mine"]);
    const lines: unknown[] = [];
    await session.talk(
      call("two__log", { n: 2 }),
      () => ({}),
      ({ params }) => lines.push(params.data),
    );
    assertEquals(lines, ["log 1", "log 2"]);
    const running = session.send(call("one__sleep", { ms: 60_000 }, "long"));
    await until(
      "it runs",
      async () =>
        (await say(session, "one__seen")).split("tools/call").length > 3,
    );
    await session.tell("notifications/cancelled", { requestId: "long" });
    await running;
    assert((await say(session, "one__cancelled")).includes('"sleep"'));
    const { message } = await session.send(
      request("logging/setLevel", { level: "loud" }),
    );
    assertEquals(message.error.code, -32602);
  }));

Deno.test("a server's list_changed reaches clients of the combined endpoint and of its own", () =>
  aggregating(two(), async (aggregate) => {
    const all = await open(aggregate.mcp);
    const own = await open(aggregate.named("one"));
    const streams = [await all.get(), await own.get()];
    await say(own, "touch", { list: "tools" });
    for (const stream of streams) {
      await heardOf(stream, "notifications/tools/list_changed");
      await stream.cancel();
    }
  }));

Deno.test("servers of both eras: each client sees those that speak its own, and the status tells", () =>
  aggregating(
    configOf({ old: legacyEntry(), new: modernEntry() }),
    async (aggregate) => {
      await until("both are up", async () => {
        const { servers } = await aggregate.status();
        return servers.old.state === "running" &&
          servers.new.state === "running";
      });
      const session = await open(aggregate.mcp);
      const tools = await names(session, "tools");
      assert(tools.includes("old__echo") && !tools.includes("new__echo"));
      const { result } = await askModern(aggregate.mcp, "tools/list");
      const seen = result.tools.map(({ name }: { name: string }) => name);
      assert(seen.includes("new__echo") && !seen.includes("old__echo"));
      const said = await askModern(aggregate.mcp, "tools/call", {
        name: "new__echo",
        arguments: { text: "hi" },
      });
      assertEquals(said.result.content[0].text, "hi");
      const { servers } = await aggregate.status();
      assertEquals([servers.old.era, servers.new.era], ["legacy", "modern"]);
      await open(aggregate.mcp);
      const log = aggregate.stderr();
      assertEquals(log.split("<new> is left out for legacy clients").length, 2);
      assertEquals(log.split("<old> is left out for modern clients").length, 2);
    },
  ));

Deno.test("a modern client's subscription lives on when its server crashes", () =>
  aggregating(
    configOf({ one: modernEntry(), two: modernEntry() }),
    async (aggregate) => {
      const discovered = await askModern(aggregate.mcp, "server/discover");
      assertEquals(discovered.result.supportedVersions, ["2026-07-28"]);
      const uris = ["two+fixture://a"];
      const listen = request("subscriptions/listen", {
        notifications: { toolsListChanged: true, resourceSubscriptions: uris },
      });
      const stream = new Events(await modernPost(aggregate.mcp, listen));
      const first = await stream.next();
      assertEquals(first.params.notifications.resourceSubscriptions, uris);
      const tell = async () => {
        await askModern(aggregate.mcp, "tools/call", {
          name: "two__update",
          arguments: { uri: "fixture://a" },
        });
        return await stream.next(1000).catch(() => undefined);
      };
      const updated = async () => {
        const told = await tell();
        return told?.method === "notifications/resources/updated"
          ? told
          : undefined;
      };
      const told = await until("an update", updated);
      assertEquals(told.params.uri, "two+fixture://a");
      await askModern(aggregate.mcp, "tools/call", { name: "two__crash" });
      await until("an update of the new process", updated);
      await stream.cancel();
    },
  ));

Deno.test("a call that is cancelled while its server is still being opened does not run", () =>
  aggregating(
    configOf({ a: legacyEntry({}, "--slow-start", "700") }),
    async (aggregate) => {
      assertEquals(
        (await names(await open(aggregate.mcp), "tools")).length,
        22,
      );
      const session = await open(aggregate.mcp, undefined, { sampling: {} });
      const cancelled = call("a__echo", { text: "x", key: "cancelled" });
      const answer = session.send(cancelled);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const { body } = await session.post({
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: cancelled.id },
      });
      await body?.cancel();
      await answer;
      assertEquals(await say(session, "a__echo", { text: "y" }), "y");
      assertEquals(aggregate.runs("cancelled"), 0);
    },
  ));
