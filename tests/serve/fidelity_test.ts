/** What the server wrote is what the client reads, and the other way round, byte for byte, over every transport. */

import { assert, assertEquals } from "@std/assert";
import { hello, legacy, post, serving, Session } from "./kit.ts";

/** A way to ask: gives the bytes of the response, as text. */
type Ask = (body: string) => Promise<string>;

const base64 = (text: string) => {
  let raw = "";
  for (const byte of new TextEncoder().encode(text)) {
    raw += String.fromCharCode(byte);
  }
  return btoa(raw);
};

/** JSON that a parser would not give back as it was. */
const ODD = [
  '{"z":1,"a":2,"10":3,"2":4,"unknown":{"nested":[null,true,1e400]}}',
  '{"big":12345678901234567890,"small":1.0,"exact":0.1e-7,"minus":-0}',
  '{"text":"\\u0041\\/ \u2028\u2029 \u{1F600} é \\ud83d"}',
  '{ "spaces" :  [ 1 , 2 ] , "\\u0061":"same name", "a":"twice" }',
  '{"content":[{"type":"text","text":"x"},{"type":"of tomorrow","data":{}}],"_meta":{"a.b/c":1}}',
];

/** The three ways in. */
async function ways(
  origin: string,
  test: (
    name: string,
    ask: Ask,
    tell: (body: string) => Promise<void>,
  ) => Promise<void>,
): Promise<void> {
  const session = await Session.open(`${origin}/mcp`);
  const send = (accept: string): Ask => async (body) => {
    const response = await post(session.url, body, {
      ...session.headers,
      accept,
    });
    const text = await response.text();
    return text.startsWith("{") ? text : lastData(text);
  };
  const tell = async (body: string) => {
    await (await post(session.url, body, session.headers)).body?.cancel();
  };
  await test("JSON", send("application/json, text/event-stream"), tell);
  await test("an event stream", send("text/event-stream"), tell);
  await session.end();
  const sse = await Sse.open(origin);
  await sse.ask(JSON.stringify(hello()));
  await test("HTTP+SSE", (body) => sse.ask(body), (body) => sse.post(body));
  await sse.close();
}

function lastData(events: string): string {
  const lines = events.split("\n").filter((line) => line.startsWith("data: {"));
  return lines.at(-1)?.slice("data: ".length) ?? "";
}

/** A client of the older transport that looks at nothing. */
class Sse {
  #url: string;
  #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(url: string, reader: ReadableStreamDefaultReader<string>) {
    this.#url = url;
    this.#reader = reader;
  }

  static async open(origin: string): Promise<Sse> {
    const response = await fetch(`${origin}/sse`);
    assert(response.body);
    const reader = response.body.pipeThrough(new TextDecoderStream())
      .getReader();
    const sse = new Sse("", reader);
    const endpoint = await sse.#data();
    sse.#url = `${origin}${endpoint}`;
    return sse;
  }

  async post(body: string): Promise<void> {
    const response = await post(this.#url, body);
    await response.body?.cancel();
    assertEquals(response.status, 202);
  }

  async ask(body: string): Promise<string> {
    await this.post(body);
    return await this.#data();
  }

  close(): Promise<void> {
    return this.#reader.cancel();
  }

  async #data(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end >= 0) {
        const event = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const line = event.split("\n").find((one) => one.startsWith("data: "));
        if (line) return line.slice("data: ".length);
        continue;
      }
      // deno-lint-ignore no-await-in-loop -- one chunk after the other
      const { value, done } = await this.#reader.read();
      if (done) throw new Error("the stream has ended");
      this.#text += value;
    }
  }
}

const ask = (id: string, name: string, args: unknown) =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"${name}","arguments":${
    JSON.stringify(args)
  }}}`;

Deno.test("results and errors reach the client with every byte that the server wrote", async () => {
  await serving(["--", ...legacy()], async ({ origin }) => {
    await ways(origin, async (name, send) => {
      for (const [index, odd] of ODD.entries()) {
        for (const member of ["result", "error"]) {
          const json = member === "error"
            ? `{"code":-32000.0,"message":"m","data":${odd},"more":1}`
            : odd;
          // In small pieces, so that characters are split somewhere.
          const args = {
            base64: base64(json),
            member,
            ...index ? {} : { chunk: 7 },
          };
          const id = `${index + 100}`;
          // deno-lint-ignore no-await-in-loop -- one session, one order
          const got = await send(ask(id, "raw", args));
          const want = `{"jsonrpc":"2.0","id":${id},"${member}":${json}}`;
          assertEquals(got, want, `over ${name}`);
        }
      }
    });
  });
});

Deno.test('ids come back as they were written: 1, "1", text beyond ASCII, numbers beyond 2^53', async () => {
  await serving(["--", ...legacy()], async ({ origin }) => {
    await ways(origin, async (name, send) => {
      const ids = ["1", '"1"', '"é\u{1F600}"', '"a\\u0062"', "-7"];
      for (const id of [...ids, "12345678901234567890", "1.50"]) {
        // deno-lint-ignore no-await-in-loop -- one session, one order
        const got = await send(ask(id, "echo", { text: "x" }));
        assert(got.includes(`"id":${id},`), `${id} over ${name}: ${got}`);
      }
    });
  });
});

Deno.test("params reach the server as the client wrote them, pretty-printed or not", async () => {
  await serving(["--", ...legacy()], async ({ origin }) => {
    await ways(origin, async (name, send) => {
      for (const [index, odd] of ODD.entries()) {
        const params =
          `{"name":"line","more":${odd},"arguments":{"b":1,"a":12345678901234567890}}`;
        const rest = `,"method":"tools/call","params":${params},"unknown":[]}`;
        const id = index + 500;
        // deno-lint-ignore no-await-in-loop -- one session, one order
        const got = await send(`{"jsonrpc":"2.0","id":${id}${rest}`);
        const line: string = JSON.parse(got).result.content[0].text;
        // The id towards the server is the proxy's own.
        assertEquals(
          line.replace(/"id":\d+/, `"id":${id}`),
          `{"jsonrpc":"2.0","id":${id}${rest}`,
          `over ${name}`,
        );
      }
      const pretty = JSON.stringify(
        JSON.parse(ask("900", "line", { a: [1, 2] })),
        null,
        2,
      );
      const got = await send(pretty);
      const line: string = JSON.parse(got).result.content[0].text;
      assertEquals(JSON.parse(line).params, JSON.parse(pretty).params, name);
      assert(!line.includes("\n"));
    });
  });
});

Deno.test("ten megabytes cross whole, both ways", async () => {
  await serving(["--", ...legacy()], async ({ origin }) => {
    const text = "0123456789 äöü \\u00e9 ".repeat(500_000);
    await ways(origin, async (name, send) => {
      const got = await send(ask("77", "echo", { text }));
      const back = JSON.parse(got).result.content[0].text;
      assert(back === text, `over ${name}: ${back.length} of ${text.length}`);
    });
  });
});
