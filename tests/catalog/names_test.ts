import { assert, assertEquals } from "@std/assert";
import { isNamedAfter, Names } from "../../lib/catalog/names.ts";
import { Uris } from "../../lib/catalog/uris.ts";

const A = { id: "a" }, B = { id: "b" };

Deno.test("a name is the server's and the tool's, and stays", () => {
  const names = new Names<typeof A>();
  assertEquals(names.give(A, "files", "read", true), "files__read");
  assertEquals(names.give(A, "files", "read", true), "files__read");
  assertEquals(names.find("files__read"), { server: A, name: "read" });
  assertEquals(names.find("read"), undefined);
  assert(isNamedAfter("files__read", "files"));
});

Deno.test("names that clients would refuse are shortened, always in the same way", () => {
  const long = "a".repeat(100);
  for (
    const [server, tool] of [["s", long], ["s/b", "x"], ["s", "ä"], [long, "x"]]
  ) {
    const given = new Names<typeof A>().give(A, server ?? "", tool ?? "", true);
    assert(/^[A-Za-z0-9_.-]{1,64}$/.test(given), given);
    assertEquals(
      new Names<typeof A>().give(A, server ?? "", tool ?? "", true),
      given,
    );
  }
  const names = new Names<typeof A>();
  const one = names.give(A, "s", `${long}1`, true);
  const two = names.give(A, "s", `${long}2`, true);
  assert(one !== two);
  assert(names.give(A, "s/b", "x", true) !== names.give(B, "s_b", "x", true));
});

Deno.test("of two servers without prefix that have the same name, the first keeps it", () => {
  const names = new Names<typeof A>();
  assertEquals(names.give(A, "a", "x", false), "x");
  const second = names.give(B, "b", "x", false);
  assert(second.startsWith("b__x_"), second);
  assertEquals(names.find(second), { server: B, name: "x" });
  names.forget(A);
  assertEquals(names.find("x"), undefined);
  assertEquals(
    names.give(B, "b", "x", false),
    second,
    "a name once given stays",
  );
});

Deno.test("a server whose tools come and go all the time does not fill the memory", () => {
  const names = new Names<typeof A>(), uris = new Uris<typeof A>();
  for (let n = 0; n < 20_000; n++) {
    names.give(A, "a", `t${n}`, true);
    names.keep(A, [`t${n}`]);
    uris.give(A, "a", `x://${n}`);
    uris.keep(A, [`x://${n}`]);
  }
  const left = Array.from({ length: 20_000 }, (_, n) => n).filter((n) =>
    names.find(`a__t${n}`)
  );
  assert(left.length <= 1100 && left.at(-1) === 19_999, `${left.length}`);
  const kept = Array.from({ length: 20_000 }, (_, n) => n).filter((n) =>
    uris.find(`x://${n}`)
  );
  assert(kept.length <= 1100 && kept.at(-1) === 19_999, `${kept.length}`);
});

Deno.test("the first server to have a URI keeps it; a later one's carries its name", () => {
  const uris = new Uris<typeof A>();
  assertEquals(uris.give(A, "one", "x://a"), "x://a");
  assertEquals(uris.give(B, "two/more", "x://a"), "two-more+x://a");
  assertEquals(uris.find("two-more+x://a"), { source: B, uri: "x://a" });
  assertEquals([...uris.aliases(B) ?? []], [["x://a", "two-more+x://a"]]);
  assertEquals(uris.give(B, "two/more", "x://b"), "x://b");
  assertEquals(uris.give(A, "1one", "x://b"), "s1one+x://b");
  uris.forget(B);
  assertEquals(uris.find("two-more+x://a"), undefined);
});
