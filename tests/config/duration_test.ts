import { assertEquals, assertThrows } from "@std/assert";
import {
  configDuration,
  formatDuration,
  MAX_DURATION_MS,
  parseDuration,
} from "../../lib/config/duration.ts";
import { parseSize } from "../../lib/config/size.ts";

Deno.test("durations have units, or are seconds", () => {
  const cases: [string, number][] = [
    ["30s", 30_000],
    ["500ms", 500],
    ["5m", 300_000],
    ["1h30m", 5_400_000],
    ["1.5h", 5_400_000],
    [" 2S ", 2000],
    ["10", 10_000],
    ["0.25", 250],
    ["0", 0],
    ["0s", 0],
    ["1ns", 1],
    ["1d", 86_400_000],
  ];
  for (const [text, ms] of cases) assertEquals(parseDuration(text), ms, text);
});

Deno.test("what is no duration is refused", () => {
  for (
    const text of ["", "s", "1x", "1 s", "-1s", "1s2", "1e3", "Infinity"]
  ) {
    assertThrows(() => parseDuration(text), Error, "must be a duration");
  }
  assertThrows(() => parseDuration("100d"), Error, "must be at most");
  assertEquals(parseDuration(`${MAX_DURATION_MS}ms`), MAX_DURATION_MS);
});

Deno.test("60, 60000 and 60000000000 in a config all mean one minute", () => {
  assertEquals(configDuration(60), { ms: 60_000 });
  assertEquals(configDuration("60"), { ms: 60_000 });
  assertEquals(configDuration("1m"), { ms: 60_000 });
  assertEquals(configDuration(60_000), {
    ms: 60_000,
    note: '60000 is read as 1m; write "1m"',
  });
  assertEquals(configDuration(60_000_000_000).ms, 60_000);
  assertEquals(configDuration(999).ms, 999_000);
  assertEquals(configDuration(1000).ms, 1000);
  assertEquals(configDuration(0), { ms: 0 });
  for (const wrong of [-1, NaN, Infinity]) {
    assertThrows(() => configDuration(wrong), Error, "must be a duration");
  }
});

Deno.test("durations are written as they are read", () => {
  for (const text of ["500ms", "1s", "1.5s", "1m", "1m30s", "1h", "2h0.5s"]) {
    assertEquals(formatDuration(parseDuration(text)), text);
  }
});

Deno.test("sizes have units, or are bytes", () => {
  const cases: [string, number][] = [
    ["16mb", 16 * 2 ** 20],
    ["16M", 16 * 2 ** 20],
    ["1k", 1024],
    ["1.5 KiB", 1536],
    ["4096", 4096],
    ["10b", 10],
    ["2gb", 2 ** 31],
  ];
  for (const [text, bytes] of cases) assertEquals(parseSize(text), bytes, text);
  for (const text of ["", "0", "-1", "mb", "1tb", "1x", "99999g"]) {
    assertThrows(() => parseSize(text), Error, "must be a size");
  }
});
