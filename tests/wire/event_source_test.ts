import { assert, assertEquals, assertThrows } from "@std/assert";
import { EventReader } from "../../lib/wire/event_source.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function read(
  text: string,
  cut = 0,
): { events: string[]; reader: EventReader } {
  const events: string[] = [];
  const reader = new EventReader(1_000_000, (data, type) => {
    events.push(`${type}: ${new TextDecoder().decode(data)}`);
  });
  const bytes = encode(text), size = cut || bytes.length || 1;
  for (let at = 0; at < bytes.length; at += size) {
    reader.push(bytes.slice(at, at + size));
  }
  return { events, reader };
}

Deno.test("events are read whatever their line ends are, and however they are cut", () => {
  const lines = [
    ": a comment",
    "event: one",
    "data: é\u2028😀",
    "",
    "data:no space",
    "data:  two spaces",
    "",
    "data",
    "data:",
    "data: x",
    "",
    "",
  ];
  const expected = [
    "one: é\u2028😀",
    "message: no space\n two spaces",
    "message: \n\nx",
  ];
  for (const end of ["\n", "\r\n", "\r"]) {
    for (const cut of [0, 1, 2, 3, 7]) {
      assertEquals(
        read(lines.join(end) + end, cut).events,
        expected,
        JSON.stringify([end, cut]),
      );
      assertEquals(
        read(`\ufeff${lines.join(end)}${end}`, cut).events,
        expected,
      );
    }
  }
});

Deno.test("ids, retry and events without data are noted", () => {
  const { events, reader } = read(
    "id: 7\nretry: 2500\ndata:\n\nretry: soon\nid: 8\nevent: x\ndata: unfinished\n",
  );
  assertEquals(events, []);
  assertEquals([reader.lastEventId, reader.retry, reader.events], [
    "7",
    2500,
    1,
  ]);
  assertEquals(
    read("id: a\ndata: 1\n\ndata: 2\n\nid: b\0c\ndata: 3\n\n").reader
      .lastEventId,
    "a",
  );
  assertEquals(read("id: a\n\nid\n\n").reader.lastEventId, "");
  assertEquals(read("retry: 99999999999\n\n").reader.retry, 300_000);
});

Deno.test("unknown fields are skipped", () => {
  assertEquals(
    read("foo: bar\ndatax: 1\ndat: 2\nDATA: 3\ndata: 4\n\n").events,
    ["message: 4"],
  );
});

Deno.test("an event that is too large is refused, in one line or in many", () => {
  assertThrows(() => read(`data: ${"x".repeat(1_000_001)}\n\n`, 1000));
  assertThrows(() => read("data: xxxxxxxxx\n".repeat(200_000)));
  assertEquals(
    read(`data: ${"x".repeat(900_000)}\n\n`.repeat(3), 65_536).events.length,
    3,
  );
});

Deno.test("an event of 50 MB in small pieces takes linear time", () => {
  let size = 0;
  const reader = new EventReader(1e9, (data) => size = data.length);
  const begun = performance.now();
  reader.push(encode("data: "));
  for (let i = 0; i < 50 * 64; i++) {
    reader.push(new Uint8Array(16_384).fill(120));
  }
  reader.push(encode("\n\n"));
  assertEquals(size, 50 * 1024 * 1024);
  assert(performance.now() - begun < 2000);
});

Deno.test("many small events in one chunk take linear time", () => {
  const begun = performance.now();
  assertEquals(read("data: x\n\n".repeat(200_000)).events.length, 200_000);
  assertEquals(read("data: x\r\r".repeat(200_000)).events.length, 200_000);
  assert(performance.now() - begun < 3000);
});
