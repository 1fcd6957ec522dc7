import { assert, assertEquals, assertRejects } from "@std/assert";
import { GRACE, ListCache } from "../../lib/catalog/list_cache.ts";
import type { Listing } from "../../lib/catalog/lists.ts";

function listing(...names: string[]): Listing {
  const items = names.map((name) => ({
    name,
    bytes: new TextEncoder().encode(name),
    at: 0,
    end: name.length,
  }));
  return { items, ttlMs: 0, shared: false };
}
const TOOLS = { kind: "tools", audience: "", freshMs: Infinity } as const;
const names = (list: Listing | undefined) =>
  list?.items.map(({ name }) => name);

Deno.test("a list is asked for once, and again when it is no longer so", async () => {
  const changes: string[] = [];
  const cache = new ListCache((kind) => changes.push(kind));
  let asked = 0;
  const ask = () => Promise.resolve(listing(`t${++asked}`));
  assertEquals(names(await cache.get(TOOLS, ask)), ["t1"]);
  assertEquals(names(await cache.get(TOOLS, ask)), ["t1"]);
  cache.forget("prompts");
  assertEquals(names(await cache.get(TOOLS, ask)), ["t1"]);
  cache.forget("tools");
  assertEquals(names(await cache.get(TOOLS, ask)), ["t2"]);
  assertEquals(changes, []);
});

Deno.test("a list that the server may change without a word is answered from memory and looked at behind", async () => {
  const changes: string[] = [];
  const cache = new ListCache((kind) => changes.push(kind));
  const old = { ...TOOLS, freshMs: -1 };
  await cache.get(old, () => Promise.resolve(listing("a")));
  assertEquals(
    names(await cache.get(old, () => Promise.resolve(listing("a")))),
    ["a"],
  );
  assertEquals(
    names(await cache.get(old, () => Promise.resolve(listing("b")))),
    ["a"],
  );
  await Promise.resolve();
  assertEquals(changes, ["tools"]);
  assertEquals(names(cache.known("tools")), ["b"]);
});

Deno.test("a slow list is waited for once; who was given something else is told when it is there", async () => {
  const changes: string[] = [];
  const cache = new ListCache((kind) => changes.push(kind));
  const { promise, resolve } = Promise.withResolvers<Listing>();
  await cache.get(TOOLS, () => Promise.resolve(listing("shared")));
  const own = { ...TOOLS, audience: "own", instead: "" };
  const began = performance.now();
  assertEquals(names(await cache.get(own, () => promise)), ["shared"]);
  assert(performance.now() - began >= GRACE - 5);
  const again = performance.now();
  assertEquals(names(await cache.get(own, () => promise)), ["shared"]);
  assert(performance.now() - again < 500, "the second one does not wait");
  resolve(listing("mine"));
  await promise;
  await Promise.resolve();
  assertEquals(changes, ["tools"]);
  assertEquals(names(await cache.get(own, () => promise)), ["mine"]);
});

Deno.test("what fails is told to whoever asks, and asked for anew", async () => {
  const cache = new ListCache(() => {});
  const fail = () => Promise.reject(new Error("no"));
  await assertRejects(() => cache.get(TOOLS, fail), Error, "no");
  assertEquals(
    names(await cache.get(TOOLS, () => Promise.resolve(listing("a")))),
    ["a"],
  );
  cache.forget("tools");
  assertEquals(
    names(await cache.get(TOOLS, fail)),
    ["a"],
    "what was is better than nothing",
  );
});

Deno.test("clients of ever other kinds do not fill the memory", async () => {
  const cache = new ListCache(() => {});
  let asked = 0;
  for (let n = 0; n < 1000; n++) {
    await cache.get({ ...TOOLS, audience: `${n}` }, () => {
      asked++;
      return Promise.resolve(listing("a"));
    });
  }
  await cache.get({ ...TOOLS, audience: "0" }, () => {
    asked++;
    return Promise.resolve(listing("a"));
  });
  assertEquals(asked, 1001);
});
