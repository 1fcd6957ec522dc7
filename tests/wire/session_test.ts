/** What a session keeps for a client that comes back, without a socket. */

import { assert, assertEquals } from "@std/assert";
import { encodeEvent, EventStore } from "../../lib/wire/event_stream.ts";
import { Session } from "../../lib/wire/session.ts";

// The slow clock of streams ticks once more after the last of them has gone.
const test = (name: string, fn: () => void | Promise<void>) =>
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
const bytes = (text: string) => new TextEncoder().encode(text);

test("the store is bounded in number and in bytes, the oldest go first, and one is always kept", () => {
  const store = new EventStore();
  for (let i = 1; i <= 3000; i++) {
    store.add(i % 2, i, bytes(`event ${i}`));
    const kept = store.after(0, 0).length + store.after(1, 0).length;
    assert(kept >= Math.min(i, 1000) && kept <= 2000);
  }
  assertEquals(new TextDecoder().decode(store.after(1, 2997)[0]), "event 2999");
  assertEquals(store.after(0, 2998).length, 1);
  for (let i = 1; i <= 100; i++) {
    store.add(2, i, new Uint8Array(100_000));
    assert(store.bytes <= 2 * 1024 * 1024);
  }
  assert(store.after(2, 0).length >= 10);
  store.add(3, 1, new Uint8Array(10_000_000));
  assertEquals([store.has(2), store.after(3, 0).length, store.bytes], [
    false,
    1,
    10_000_000,
  ]);
});

test("a session is idle when neither a request runs nor a stream is open", async () => {
  const session = new Session("");
  await new Promise((done) => setTimeout(done, 5));
  assert(session.idle > 0);
  session.running++;
  assertEquals(session.idle, 0);
  session.running--;
  const body = session.listen(null);
  assertEquals(session.idle, 0);
  await body?.cancel();
  session.close("done");
  assertEquals(session.closed, true);
});

test("streams of one session that were cut are bounded: the oldest go", async () => {
  const session = new Session("");
  session.version = "2025-11-25";
  for (let i = 0; i < 1100; i++) {
    const stream = session.answer();
    // deno-lint-ignore no-await-in-loop -- each is cut before the next begins
    await stream.body.cancel();
  }
  assert(session.streams.size <= 1025, `${session.streams.size}`);
  session.close("done");
  assertEquals(session.streams.size, 0);
});

test("each stream's events have ids of their own; nothing is sent again on another stream", async () => {
  const session = new Session("");
  session.version = "2025-11-25";
  const one = session.answer(), two = session.answer();
  one.send(bytes('{"n":1}'));
  two.send(bytes('{"n":2}'));
  session.push(bytes('{"n":3}'));
  one.send(bytes('{"n":4}'));
  const text = async (body: ReadableStream<Uint8Array> | undefined) => {
    const chunks: string[] = [];
    const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
    for (let r = await reader?.read(); r && !r.done; r = await reader?.read()) {
      chunks.push(r.value);
    }
    return [...chunks.join("").matchAll(/data: (\S+)/g)].map(([, data]) =>
      data
    );
  };
  const first = text(one.body);
  one.close();
  two.close();
  assertEquals(await first, ['{"n":1}', '{"n":4}']);
  assertEquals(await text(session.listen("1-1")), ['{"n":4}']);
  assertEquals(await text(session.listen("2-0")), ['{"n":2}']);
  assertEquals(session.listen("9-0"), undefined);
  assertEquals(session.listen("1-"), undefined);
  const general = text(session.listen(null));
  session.close("done");
  assertEquals(await general, ['{"n":3}']);
});

test("an answer that is no JSON and would break its event is an error instead", () => {
  const event = new TextDecoder().decode(
    encodeEvent(bytes('{"jsonrpc":"2.0","id":"é","result":{"a":"b\rc"}}')),
  );
  const [, data = ""] = /\ndata: (.*)\n\n$/.exec(event) ?? [];
  const { id, error } = JSON.parse(data);
  assertEquals([id, error.code], ["é", -32603]);
});
