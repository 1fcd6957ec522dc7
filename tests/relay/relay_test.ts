/** The corridor, one rule after the other, without a process or a socket. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FakeServer, greeted, Peer, relayed } from "./kit.ts";

const turn = () => new Promise((done) => setTimeout(done));

Deno.test("everything but id and token crosses byte for byte, both ways", () => {
  const { server, says, relay } = relayed({ exclusive: true });
  const peer = new Peer(relay);
  const way = peer.request(
    '{"x":12345678901234567890, "jsonrpc":"2.0","id":"ü","method":"m/n","params":{"_meta":{"progressToken":"t","y":1.0},"a":"\\u0041"}}',
  );
  assertEquals(
    server.texts,
    ['{"x":12345678901234567890, "jsonrpc":"2.0","id":1,"method":"m/n","params":{"_meta":{"progressToken":1,"y":1.0},"a":"\\u0041"}}'],
  );
  says(
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1.0}}',
  );
  says(
    '{"result":{"n":1.0,"big":12345678901234567890},"id":1,"jsonrpc":"2.0","z":null}',
  );
  assertEquals(way.pushed[0].params.progressToken, "t");
  assertEquals(way.texts, [
    '{"result":{"n":1.0,"big":12345678901234567890},"id":"ü","jsonrpc":"2.0","z":null}',
  ]);
  says(
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":2}}',
  );
  says('{"jsonrpc":"2.0","id":1,"result":{}}');
  assertEquals([way.pushed.length, way.texts.length, peer.heard.length], [
    1,
    1,
    0,
  ]);
});

Deno.test("an error that has no id is that of the only request there is; of several it is nobody's", () => {
  const { relay, says } = relayed({ exclusive: true });
  const peer = new Peer(relay);
  const one = peer.call("a", {}, 1);
  says({ id: null, error: { code: -32700, message: "Parse error" } });
  assertEquals(one.response, {
    jsonrpc: "2.0",
    id: 1,
    error: { code: -32700, message: "Parse error" },
  });
  const two = peer.call("a", {}, 2);
  says(
    '{"jsonrpc":"2.0","error":{"code":-1,"message":"x","data":12345678901234567890}}',
  );
  assertEquals(two.texts, [
    '{"jsonrpc":"2.0","error":{"code":-1,"message":"x","data":12345678901234567890},"id":2}',
  ]);
  const three = peer.call("a", {}, 3), four = peer.call("a", {}, 4);
  says({ id: null, error: { code: -32700, message: "Parse error" } });
  assertEquals([three.texts.length, four.texts.length], [0, 0]);
  says({ id: null, error: { code: -32700, message: "Parse error" } }, 4);
  assertEquals([three.texts.length, four.response.id], [0, 4]);
});

Deno.test("messages that cannot be understood end neither the leg nor a call", () => {
  const { relay, says } = relayed({ exclusive: true });
  const peer = new Peer(relay);
  says('{"jsonrpc":"2.0","method":"a\\qb"}');
  says('{"jsonrpc":"2.0","id":1,"method":"a\\qb"}');
  const init = peer.call("initialize", { capabilities: null }, "i");
  says('{"jsonrpc":"2.0","id":1,"result":null}');
  assertEquals(init.response.result, null);
  const subscribe = peer.request(
    '{"jsonrpc":"2.0","id":5,"method":"resources/subscribe","params":{"uri":"\\q"}}',
  );
  assertEquals([subscribe.status, subscribe.response.error.code], [
    "refused",
    -32700,
  ]);
  assertEquals(relay.pending.size, 0);
  assertEquals(peer.receiver.client.running?.size, 0);
});

Deno.test("cancelling: the server is told with its own id, a late answer is dropped, initialize cannot be cancelled", () => {
  const { relay, server, says } = relayed({ exclusive: true });
  const peer = new Peer(relay);
  const init = peer.call("initialize", {}, 0);
  const call = peer.call("tools/call", {}, "x");
  peer.tell("notifications/cancelled", { requestId: 0 });
  peer.tell("notifications/cancelled", { requestId: "nobody" });
  assertEquals(server.texts.length, 2);
  peer.tell("notifications/cancelled", { requestId: "x", reason: "r" });
  assertEquals(server.last.params, { requestId: 2, reason: "r" });
  assertEquals(call.status, "cancelled");
  says({ id: 2, result: {} });
  says({ id: 1, result: {} });
  assertEquals([call.texts.length, init.status], [1, "result"]);
  peer.tell("notifications/cancelled", { requestId: "x" });
  assertEquals(server.texts.length, 3);
  const gone = peer.request({ jsonrpc: "2.0", id: 7, method: "tools/call" });
  peer.receiver.abandon(gone.handle);
  assertEquals(server.last.method, "notifications/cancelled");
});

Deno.test("whose a server's request is: of several clients, the only one that could have caused it", async () => {
  const all = relayed({ capabilities: { sampling: {} } });
  const { says, server } = all;
  const able = await greeted(all, { sampling: {}, roots: {} });
  const mute = await greeted(all);
  const ask = (method = "sampling/createMessage") => {
    const before = server.texts.length;
    says({ id: "s1", method, params: { _meta: { progressToken: "st" } } });
    return server.messages[before];
  };
  const refused = ask();
  assertEquals([refused.id, refused.error.code], ["s1", -32603]);
  const own = able.call("tools/call", {}, 1);
  const other = mute.call("tools/call", {}, 1);
  assertEquals(ask(), undefined);
  const [asked] = own.pushed;
  assertEquals([asked.id, asked.params._meta.progressToken], [1, 1]);
  able.tell("notifications/progress", { progressToken: 1, progress: 5 });
  assertEquals(server.last.params, { progressToken: "st", progress: 5 });
  mute.tell("notifications/progress", { progressToken: 1, progress: 6 });
  mute.reply(1);
  able.reply("1");
  assertEquals(
    server.last.params,
    { progressToken: "st", progress: 5 },
    "neither is the answer",
  );
  able.reply(1, { r: 1 });
  assertEquals([server.last.id, server.last.result], ["s1", { r: 1 }]);
  able.reply(1, { r: 2 });
  assertEquals(server.last.result, { r: 1 });
  assert(ask("elicitation/create").error, "nobody declared it");
  assert(ask("custom/ask").error, "both could have caused it");
  says({ id: 3, result: {} }); // the third request of the relay is the second client's call
  assertEquals(other.status, "result");
  assertEquals(ask("custom/ask"), undefined);
  assertEquals(own.pushed.at(-1).method, "custom/ask");
});

Deno.test("a server cancels what it asked: the client hears it under the id it knows", async () => {
  const all = relayed({ capabilities: { sampling: {} } });
  const peer = await greeted(all, { sampling: {} });
  const way = peer.call("tools/call");
  all.says({ id: 9, method: "sampling/createMessage" });
  all.says({ method: "notifications/cancelled", params: { requestId: 9 } });
  const told = [...way.pushed, ...peer.heard].find(({ method }) =>
    method === "notifications/cancelled"
  );
  assertEquals(told.params.requestId, way.pushed[0].id);
});

Deno.test("one's farewell to a resource does not end another's subscription that is on its way", async () => {
  const all = relayed();
  const { server, says } = all;
  const one = await greeted(all), two = await greeted(all);
  const uri = { uri: "a:b" };
  one.call("resources/subscribe", uri, 1);
  says({ id: server.last.id, result: {} });
  const second = two.call("resources/subscribe", uri, 1);
  const subscribing = server.last.id;
  assertEquals(one.call("resources/unsubscribe", uri, 2).response.result, {});
  assertEquals(
    server.last.method,
    "resources/subscribe",
    "the server is not told",
  );
  says({ id: subscribing, result: {} });
  assertEquals(second.status, "result");
  says({ method: "notifications/resources/updated", params: uri });
  assertEquals([one.heard.length, two.heard.length], [0, 1]);
  const refused = two.call("resources/subscribe", { uri: "no" }, 3);
  says({ id: server.last.id, error: { code: -32602, message: "no" } });
  assertEquals(refused.status, "error -32602");
  says({ method: "notifications/resources/updated", params: { uri: "no" } });
  assertEquals(two.heard.length, 1);
  two.receiver.leave();
  assertEquals([server.last.method, server.last.params], [
    "resources/unsubscribe",
    uri,
  ]);
});

Deno.test("a client that leaves: its calls are cancelled, what was asked of it fails, nothing of it stays", async () => {
  const all = relayed({ capabilities: { sampling: {} } });
  const { relay, server, says } = all;
  const peer = await greeted(all, { sampling: {} });
  const way = peer.call("tools/call", { _meta: { progressToken: 1 } });
  const id = server.last.id;
  says({ id: "ask", method: "sampling/createMessage" });
  peer.receiver.leave();
  const [cancelled, failed] = server.messages.slice(-2);
  assertEquals([cancelled.method, cancelled.params.requestId], [
    "notifications/cancelled",
    id,
  ]);
  assertEquals([failed.id, failed.error.message], [
    "ask",
    "The client has gone",
  ]);
  assertEquals(way.status, "cancelled");
  assertEquals([relay.pending.size, relay.clients.size], [0, 0]);
});

Deno.test("the server dies: each caller gets one error, and nothing is sent twice", async () => {
  const reasons: string[] = [];
  const all = relayed({ onclosed: (reason) => reasons.push(reason) });
  const { relay } = all;
  const one = await greeted(all), two = await greeted(all);
  const ways = [one, two].flatMap((peer) =>
    [1, 2, 3].map((id) => peer.call("tools/call", {}, id))
  );
  const asking = relay.ask("tools/list", {}).catch((error) => error.message);
  relay.closed("exited with code 3");
  relay.closed("again");
  for (const way of ways) {
    assertMatch(
      way.response.error.message,
      /^Server "s" exited with code 3 while "tools\/call" was running; it may have run$/,
    );
  }
  assertMatch(await asking, /exited with code 3/);
  assertEquals([reasons, relay.pending.size], [["exited with code 3"], 0]);
  const late = one.call("tools/call", {}, 1);
  assertMatch(late.response.error.message, /exited with code 3/);

  const next = new FakeServer();
  relay.attach(next);
  const waiting = two.call("tools/call", {}, 9);
  assertEquals(next.messages.map(({ method }) => method), ["initialize"]);
  relay.receive(
    (await import("./kit.ts")).frameOf({
      jsonrpc: "2.0",
      id: next.last.id,
      result: {},
    }),
    0,
  );
  await turn();
  assertEquals(next.messages.map(({ method }) => method), [
    "initialize",
    "notifications/initialized",
    "tools/call",
  ]);
  assertEquals(waiting.texts.length, 0);
});

Deno.test("a session that is lost is made anew: what was surely not run is sent again, the rest is not", async () => {
  const all = relayed({ exclusive: true });
  const { relay, server, says } = all;
  const peer = await greeted(all);
  const run = peer.call("tools/call", {}, "run"), runId = server.last.id;
  const again = peer.call("tools/call", {}, "again"), againId = server.last.id;
  const before = server.texts.length;
  relay.failed(runId, "the connection broke; it may have run");
  relay.lost("404", [againId]);
  const held = peer.call("tools/list", {}, "held");
  assertEquals(server.messages.slice(before).map(({ method }) => method), [
    "initialize",
  ]);
  says({ id: server.last.id, result: {} });
  await turn();
  assertEquals(
    server.messages.slice(before + 1).map(({ method, id }) => [method, id]),
    [["notifications/initialized", undefined], ["tools/call", againId], [
      "tools/list",
      againId + 2,
    ]],
  );
  assertEquals([run.texts.length, again.texts.length, held.texts.length], [
    1,
    0,
    0,
  ]);
  relay.lost("404 again", [againId, againId + 2]);
  says({ id: server.last.id, error: { code: -1, message: "no more" } });
  await turn();
  assertMatch(again.response.error.message, /lost the session.*no more/);
  assertMatch(held.response.error.message, /lost the session/);
});

Deno.test("a request that gets neither answer nor progress in its time fails; progress buys more", async () => {
  const { relay, server, says } = relayed({ exclusive: true, timeoutMs: 200 });
  const peer = new Peer(relay);
  const quiet = peer.call("a", {}, 1);
  const lively = peer.call("b", { _meta: { progressToken: "t" } }, 2);
  const listening = peer.call("subscriptions/listen", {}, 3);
  const beat = setInterval(
    () =>
      says({
        method: "notifications/progress",
        params: { progressToken: 2, progress: 1 },
      }),
    50,
  );
  while (quiet.texts.length === 0) await turn();
  assertMatch(
    quiet.response.error.message,
    /gave no answer to "a" within 0\.2 s/,
  );
  assertEquals(server.last, {
    jsonrpc: "2.0",
    method: "notifications/cancelled",
    params: { requestId: 1, reason: "timeout" },
  });
  assertEquals(lively.texts.length, 0);
  clearInterval(beat);
  while (lively.texts.length === 0) await turn();
  assertMatch(lively.response.error.message, /"b"/);
  assertEquals(listening.texts.length, 0);
  await relay.close("is done");
  assertMatch(listening.response.error.message, /is done/);
});

Deno.test("log levels of several clients: the server is told the least, each gets its own", async () => {
  const all = relayed();
  const { server, says } = all;
  const one = await greeted(all), two = await greeted(all);
  const set = (peer: Peer, level: string) => {
    const way = peer.call("logging/setLevel", { level }, "l");
    const told = server.last;
    says({ id: told.id, result: {} });
    return turn().then(() => {
      assertEquals([way.status, way.response.id], ["result", "l"]);
      return told.params.level;
    });
  };
  assertEquals(
    await set(one, "error"),
    "debug",
    "the other one has not said what it wants",
  );
  assertEquals(await set(two, "warning"), "warning");
  assertEquals(await set(one, "info"), "info");
  assertEquals(await set(two, "emergency"), "info");
  const way = two.call("tools/call");
  says({
    method: "notifications/message",
    params: { level: "alert", data: 1 },
  });
  says({
    method: "notifications/message",
    params: { level: "emergency", data: 2 },
  });
  assertEquals(way.pushed.map(({ params }) => params.data), [2]);
});

Deno.test("bounds: requests that run, that wait for a new session, and that a client has been asked", async () => {
  const all = relayed({ exclusive: true });
  const { relay, server, says } = all;
  const peer = await greeted(all);
  const before = server.texts.length;
  for (let i = 0; i < 1030; i++) says({ id: i, method: "roots/list" });
  assertEquals(server.messages.slice(before).length, 6);
  assertMatch(server.last.error.message, /too many unanswered/);
  relay.lost("404", []);
  const ways = Array.from(
    { length: 1030 },
    (_, id) => peer.call("tools/call", {}, id),
  );
  assertEquals(ways.filter(({ texts }) => texts.length > 0).length, 6);
  says({
    id: server.messages.findLast(({ method }) => method === "initialize").id,
    result: {},
  });
  await turn();
  const more = Array.from(
    { length: 16_384 },
    (_, id) => peer.call("tools/call", {}, `${id}`),
  );
  assertEquals(more.filter(({ texts }) => texts.length > 0).length, 1024);
  assertMatch(
    more.at(-1)?.response.error.message,
    /requests running: try again later/,
  );
});

Deno.test("a limit that changes holds for what comes after it", async () => {
  const { relay } = relayed({ exclusive: true, timeoutMs: 60_000 });
  relay.options.timeoutMs = 50;
  const peer = new Peer(relay);
  const quiet = peer.call("a", {}, 1);
  while (quiet.texts.length === 0) await turn();
  assertMatch(quiet.response.error.message, /within 0\.05 s/);
  await relay.close("is done");
});

Deno.test("the answer to what a server asked does not go to the one that took its place", async () => {
  const all = relayed({ exclusive: true });
  const peer = await greeted(all);
  const { relay, says } = all;
  says({ id: 0, method: "roots/list" });
  const [asked] = peer.heard;
  const next = new FakeServer();
  const renewed = relay.renew(() => next, 0);
  await turn();
  says({ id: next.last.id, result: { protocolVersion: "2025-11-25" } });
  await renewed;
  const before = next.texts.length;
  peer.reply(asked.id, { roots: [] });
  assertEquals(next.texts.length, before);
  await relay.close("is done");
});

Deno.test("a subscription that the server ends has its client's id, letter for letter", () => {
  const { relay, says } = relayed();
  const peer = new Peer(relay, false);
  for (const [at, id] of ['"ключ"', "12345678901234567890"].entries()) {
    const way = peer.request(
      `{"jsonrpc":"2.0","id":${id},"method":"subscriptions/listen","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
    );
    says({ method: "notifications/cancelled", params: { requestId: at + 1 } });
    assertEquals(way.texts, [
      `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":${id}}}}`,
    ]);
  }
});
