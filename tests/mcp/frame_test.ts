/** The scanner against JSON.parse, and what is exchanged in the bytes. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  type Bytes,
  type Frame,
  FrameError,
  readFrame,
} from "../../lib/mcp/frame.ts";
import { isBatch, readBatch } from "../../lib/mcp/parts.ts";
import { exchange, exchangeTwo, oneLine, raw } from "../../lib/mcp/splice.ts";

const encode = (text: string): Bytes => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** The same numbers for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const PIECES = [
  "a",
  "id",
  "",
  "\\\\",
  '\\"',
  "\\u0041",
  "\\ud83d\\ude00",
  "ü",
  "€",
  "😀",
  "\u2028",
  "\\n",
  "{",
  "]",
  ",",
  ":",
  "//",
  "x".repeat(60),
];
// Without escapes: JSON.parse of V8 15 takes names for one another that differ only in one.
const KEYS = PIECES.filter((piece) => !piece.includes("\\"));
const NUMBERS = [
  "0",
  "-0",
  "1",
  "-1",
  "12.5",
  "1e9",
  "1E-9",
  "-0.5e+3",
  "12345678901234567890",
];

/** JSON text with all that the grammar allows. */
class Generator {
  readonly roll: (below: number) => number;
  constructor(seed: number) {
    this.roll = random(seed);
  }
  pick<T>(list: readonly T[]): T {
    return list[this.roll(list.length)] as T;
  }
  space(): string {
    return this.roll(3) ? "" : this.pick([" ", "\t", "\n", "\r\n", "   "]);
  }
  string(): string {
    let text = "";
    for (let n = this.roll(4); n > 0; n--) text += this.pick(PIECES);
    return `"${text}"`;
  }
  value(depth = 0): string {
    const s = () => this.space();
    switch (this.roll(depth > 4 ? 5 : 8)) {
      case 0:
        return this.string();
      case 1:
        return this.pick(NUMBERS);
      case 2:
        return this.pick(["true", "false", "null"]);
      case 5: {
        const parts = Array.from(
          { length: this.roll(4) },
          () => `${s()}${this.value(depth + 1)}${s()}`,
        );
        return `[${parts.join(",") || s()}]`;
      }
      default:
        return this.object(
          Array.from(
            { length: this.roll(4) },
            (_, i) => [`"k${i}${this.pick(KEYS)}"`, this.value(depth + 1)],
          ),
        );
    }
  }
  object(members: [string, string][]): string {
    const s = () => this.space();
    return `{${
      members.map(([name, value]) => `${s()}${name}${s()}:${s()}${value}${s()}`)
        .join(",") || s()
    }}`;
  }
  shuffle<T>(list: T[]): T[] {
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.roll(i + 1);
      [list[i], list[j]] = [list[j] as T, list[i] as T];
    }
    return list;
  }
  message(): string {
    const some = (members: [string, string][]) =>
      this.shuffle(members.filter(() => this.roll(2)));
    const id = () => this.roll(2) ? this.string() : this.pick(NUMBERS);
    const meta = () =>
      this.object(some([
        ['"progressToken"', id()],
        ['"io.modelcontextprotocol/protocolVersion"', '"2026-07-28"'],
        ['"io.modelcontextprotocol/subscriptionId"', id()],
        ['"other"', this.value()],
      ]));
    const params = () =>
      this.object(some([
        ['"_meta"', meta()],
        ['"name"', this.string()],
        ['"uri"', this.string()],
        ['"requestId"', id()],
        ['"progressToken"', id()],
        ['"arguments"', this.value()],
        ['"\\u00fcber"', this.value()],
      ]));
    const head: [string, string][] = [['"jsonrpc"', '"2.0"']];
    switch (this.roll(4)) {
      case 0:
        head.push(['"id"', id()], [
          '"result"',
          this.roll(2) ? this.value() : params(),
        ]);
        break;
      case 1:
        head.push(['"id"', id()], [
          '"error"',
          this.object([['"code"', "-32603"], ['"message"', this.string()]]),
        ]);
        break;
      default:
        head.push(
          ['"method"', this.string()],
          ...some([['"id"', id()], ['"params"', params()], [
            '"x-unknown"',
            this.value(),
          ]]),
        );
    }
    return `${this.space()}${this.object(this.shuffle(head))}${this.space()}`;
  }
}

// deno-lint-ignore no-explicit-any -- any JSON
const get = (value: any, ...path: string[]): unknown =>
  path.reduce((v, name) => v?.[name], value);

Deno.test("10000 valid messages in all spellings are read, and each part lies where it lies", () => {
  const V = "io.modelcontextprotocol/protocolVersion",
    S = "io.modelcontextprotocol/subscriptionId";
  for (let seed = 1; seed <= 10_000; seed++) {
    const text = new Generator(seed).message();
    const value = JSON.parse(text);
    let frame: Frame;
    try {
      frame = readFrame(encode(text));
    } catch (cause) {
      throw new Error(`seed ${seed}: ${text}`, { cause });
    }
    const kind = "method" in value
      ? ("id" in value ? "request" : "notification")
      : "result" in value
      ? "result"
      : "error";
    assertEquals(frame.kind, kind, text);
    assertEquals(frame.versioned, true);
    const spans: [number, number, unknown][] = [
      [frame.idAt, frame.idEnd, value.id],
      [frame.methodAt, frame.methodEnd, value.method],
      [frame.paramsAt, frame.paramsEnd, value.params],
      [frame.metaAt, frame.metaEnd, get(value, "params", "_meta")],
      [
        frame.tokenAt,
        frame.tokenEnd,
        get(value, "params", "_meta", "progressToken"),
      ],
      [frame.versionAt, frame.versionEnd, get(value, "params", "_meta", V)],
      [
        frame.subscriptionAt,
        frame.subscriptionEnd,
        get(value, "params", "_meta", S) ?? get(value, "result", "_meta", S),
      ],
      [frame.nameAt, frame.nameEnd, get(value, "params", "name")],
      [frame.uriAt, frame.uriEnd, get(value, "params", "uri")],
      [
        frame.requestIdAt,
        frame.requestIdEnd,
        get(value, "params", "requestId"),
      ],
      [
        frame.progressAt,
        frame.progressEnd,
        get(value, "params", "progressToken"),
      ],
      [frame.resultAt, frame.resultEnd, value.result],
    ];
    for (const [at, end, expected] of spans) {
      assertEquals(frame.value(at, end), expected, text);
    }
    assertEquals(frame.method, value.method ?? "");
    assertEquals(
      frame.string(frame.uriAt, frame.uriEnd),
      get(value, "params", "uri") ?? "",
    );
    assertEquals(frame.errorCode, kind === "error" ? -32603 : 0);
  }
});

Deno.test("20000 damaged messages: what is read is JSON, but for what strings are made of; what is JSON is read", () => {
  let read = 0;
  for (let seed = 1; seed <= 20_000; seed++) {
    const generator = new Generator(seed), { roll } = generator;
    const bytes = [...encode(generator.message())];
    for (let n = 1 + roll(2); n > 0; n--) {
      const at = roll(bytes.length),
        other = generator.pick([...'{}[]",:\\ 01-+.eE/tfn']).charCodeAt(0);
      if (roll(3) === 0) bytes.splice(at, 1);
      else if (roll(2)) bytes.splice(at, 0, other);
      else bytes[at] = other;
    }
    const damaged = new Uint8Array(bytes), text = decode(damaged);
    let whole = true;
    try {
      JSON.parse(text);
    } catch {
      whole = false;
    }
    try {
      readFrame(damaged);
      read++;
      // Strings are passed over: with plain ones in their place it has to be JSON.
      JSON.parse(text.replace(/"(?:\\[^]|[^"\\])*"/g, '"s"'));
    } catch (cause) {
      if (!(cause instanceof FrameError)) {
        throw new Error(`seed ${seed} was read: ${text}`, { cause });
      }
      if (whole) {
        assertEquals(
          cause.code,
          -32600,
          `seed ${seed}: ${cause.message}: ${text}`,
        );
      }
    }
  }
  assert(read > 1000, `only ${read} were read`);
});

Deno.test("names in disguise are refused where the proxy looks at them, and pass elsewhere", () => {
  for (
    const text of [
      '{"\\u0069d":1,"method":"a"}',
      '{"id":1,"method":"a","params":{"_\\u006deta":{}}}',
      '{"id":1,"method":"a","params":{"_meta":{"\\u0070rogressToken":1}}}',
      '{"method":"a","params":{"request\\u0049d":1}}',
      '{"id":1,"res\\u0075lt":{},"method":"a"}',
    ]
  ) {
    const error = assertThrows(() => readFrame(encode(text)), FrameError);
    assertEquals(error.code, -32600, text);
  }
  for (
    const text of [
      '{"id":1,"method":"a","params":{"\\u00fc":1,"arguments":{"\\u0069d":1}}}',
      '{"id":1,"result":{"structuredContent":{"\\u0069d":1},"\\u00e4":2}}',
    ]
  ) {
    assertEquals(readFrame(encode(text)).id, "1");
  }
});

Deno.test("nesting is bounded, and a broken end is no overflow", () => {
  const deep = (n: number) =>
    encode(`{"method":"a","params":{"a":${"[".repeat(n)}${"]".repeat(n)}}}`);
  readFrame(deep(500));
  assertThrows(() => readFrame(deep(520)), FrameError, "nesting");
  assertThrows(() => readFrame(deep(1_000_000)), FrameError, "nesting");
  for (
    const text of [
      "",
      " ",
      "{",
      '{"a',
      '{"a"',
      '{"a":',
      '{"a":1',
      '{"a":1,',
      "[",
      "[1",
      '"',
      '"\\',
      "-",
      "t",
      "tru",
      "1.",
      "1e",
      "{}x",
      "{} {}",
      "\ufeff{}",
    ]
  ) {
    assertThrows(() => readFrame(encode(text)), FrameError, "", text);
  }
});

Deno.test("ids and tokens are exchanged byte for byte, in any order, at any place", () => {
  const bytes = encode('{"id":"ü\\"","x":1,"t":12345678901234567890}');
  const frame = readFrame(encode('{"id":"ü\\"","method":"a"}'));
  assertEquals(
    exchange(bytes, 6, 12, "77"),
    encode('{"id":77,"x":1,"t":12345678901234567890}'),
  );
  const id = raw(bytes, 6, 12);
  assertEquals(id, frame.id);
  assertEquals(
    exchange(encode('{"id":77}'), 6, 8, id),
    encode('{"id":"ü\\""}'),
  );
  for (let seed = 1; seed < 500; seed++) {
    const { roll } = new Generator(seed);
    const text = "0123456789abcdef".repeat(1 + roll(8));
    const [a, b, c, d] = [
      roll(text.length + 1),
      roll(text.length + 1),
      roll(text.length + 1),
      roll(text.length + 1),
    ].sort((x, y) => x - y) as [number, number, number, number];
    const wanted = `${text.slice(0, a)}<>${text.slice(b, c)}[]${text.slice(d)}`;
    assertEquals(
      decode(exchangeTwo(encode(text), a, b, "<>", c, d, "[]")),
      wanted,
    );
    if (a < c) {
      assertEquals(
        decode(exchangeTwo(encode(text), c, d, "[]", a, b, "<>")),
        wanted,
      );
    }
    assertEquals(
      decode(exchange(encode(text), a, d, "!")),
      `${text.slice(0, a)}!${text.slice(d)}`,
    );
  }
});

Deno.test("a message goes on one line: line breaks between its parts become spaces, those in strings are no JSON", () => {
  const one = encode('{"a":"\u2028"}');
  assert(oneLine(one) === one, "nothing is copied where nothing has to be");
  assertEquals(decode(oneLine(encode('{\r\n  "a":\n1\n}'))), '{    "a": 1 }');
  for (const text of ['{"a":"\n"}', '{"a":"\r"}', '{"a":1}\n}']) {
    assertEquals(
      assertThrows(() => oneLine(encode(text)), FrameError).code,
      -32700,
    );
  }
});

Deno.test("a batch is taken apart, each part as its own bytes", () => {
  assertEquals([isBatch(encode(" [1]")), isBatch(encode('{"a":[]}'))], [
    true,
    false,
  ]);
  assertEquals(readBatch(encode(' [ {"a":[1,2]} ,"]", 3 ] ')).map(decode), [
    '{"a":[1,2]}',
    '"]"',
    "3",
  ]);
  for (const text of ["[]", "[1,]", "[1 2]", "[1", "[1]]", "[,1]"]) {
    assertThrows(() => readBatch(encode(text)), FrameError, "", text);
  }
});
