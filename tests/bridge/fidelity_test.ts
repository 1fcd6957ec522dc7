/** What the server wrote is what the host reads, and the other way round, byte for byte, over every transport. */

import { assert, assertEquals } from "@std/assert";
import { Bridge } from "./kit.ts";

type Answers = "json" | "stream" | "sse";

/** What a scripted server answers: bytes of the result of each request, and bytes of messages before it. */
interface Script {
  result: string;
  before?: string[];
}

/** What an SSE server says before it is asked anything. */
const HELLO = '{"jsonrpc":"2.0","method":"notifications/hello"}';

const encode = (text: string) => new TextEncoder().encode(text);

/** A server that writes exactly the bytes that it is told to, cut into chunks of `cut` bytes. */
class Scripted implements AsyncDisposable {
  /** Bodies of all POSTs. */
  readonly posts: string[] = [];
  next: Script = { result: "{}" };
  cut = 0;
  pretty = false;
  readonly #answers: Answers;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  #stream: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(answers: Answers) {
    this.#answers = answers;
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#handle(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/${
      this.#answers === "sse" ? "sse" : "mcp"
    }`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close(this.#stream);
    await this.#server.shutdown();
  }

  #close(
    stream: ReadableStreamDefaultController<Uint8Array> | undefined,
  ): void {
    try {
      stream?.close();
    } catch { /* it was cancelled */ }
  }

  async #handle(request: Request): Promise<Response> {
    const headers = { "content-type": "text/event-stream" };
    if (request.method === "GET" && this.#answers === "sse") {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller;
          controller.enqueue(
            encode(
              `event: endpoint
data: /post

data: ${HELLO}

`,
            ),
          );
        },
        cancel: () => this.#stream = undefined,
      });
      return new Response(body, { headers });
    }
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const post = await request.text();
    this.posts.push(post);
    const id = /"id"\s*:\s*(\d+)/.exec(post)?.[1];
    if (id === undefined || !post.includes('"method"')) {
      return new Response(null, { status: 202 });
    }
    const initialize =
      '{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}';
    const { result, before = [] } = post.includes('"initialize"')
      ? { result: initialize }
      : this.next;
    const answer = this.pretty
      ? `\n{\r\n  "jsonrpc" : "2.0",\n\t"id" : ${id} ,\n  "result" : ${result}\n}\n`
      : `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
    if (this.#answers === "json") {
      return new Response(this.#cut(encode(answer)), {
        headers: { "content-type": "application/json; charset=utf-8" },
      });
    }
    const events = [
      ...before,
      answer.replaceAll(/\r?\n/g, this.pretty ? "\ndata:" : " "),
    ];
    const bytes = encode(
      events.map((data) => `: hello\nevent: message\ndata: ${data}\n\n`).join(
        "",
      ),
    );
    if (this.#answers === "stream") {
      return new Response(this.#cut(bytes), { headers });
    }
    for await (const chunk of this.#cut(bytes)) this.#stream?.enqueue(chunk);
    return new Response(null, { status: 202 });
  }

  #cut(bytes: Uint8Array): ReadableStream<Uint8Array> {
    const size = this.cut || bytes.length;
    let at = 0;
    return new ReadableStream({
      async pull(controller) {
        if (at >= bytes.length) return controller.close();
        controller.enqueue(bytes.slice(at, at += size));
        if (size < 100) await new Promise((resolve) => setTimeout(resolve, 0));
      },
    }, { highWaterMark: 0 });
  }
}

Deno.test("a message right behind the endpoint event is not lost", async () => {
  await using remote = new Scripted("sse");
  await using bridge = new Bridge([remote.url]);
  await bridge.initialize();
  assertEquals(bridge.lines[0], HELLO);
});

/** The result in a line, as it was written. */
function resultIn(line: string): string {
  const match =
    /^\{"jsonrpc":"2\.0","id":(?:"[^"]*"|-?[\d.eE+]+),"result":(.*)\}$/s.exec(
      line,
    );
  if (!match) throw new Error(`an unexpected line: ${line.slice(0, 200)}`);
  return match[1] ?? "";
}

const RESULTS: Record<string, string> = {
  "unknown members":
    '{"content":[{"type":"hologram","x":{"y":[null,true,1.50,{}]}}],"resultType":"strange","__proto__":{"a":1}}',
  "key order and spaces":
    '{"z":1, "a" :2,"m":  [ 1 ,2 ],"10":"ten","9":"nine"}',
  "big and odd numbers":
    '{"a":9007199254740993,"b":1.0,"c":1e400,"d":-0,"e":0.1000000000000000055511151231257827,"f":1E+2}',
  "escapes as they are":
    '{"a":"\\u00e9\\/\\u2028\\ud83d\\ude00","b":"\\u0000"}',
  "raw U+2028 and U+0085": '{"a":"x\u2028y\u2029z\u0085"}',
  "text of four bytes a letter": `{"a":"${"😀é漢".repeat(50)}"}`,
  "twice the same member": '{"a":1,"a":2}',
};

for (const answers of ["json", "stream", "sse"] as const) {
  Deno.test(`results reach the host as the server wrote them (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    for (const cut of [0, 1, 7]) {
      for (const [what, result] of Object.entries(RESULTS)) {
        Object.assign(remote, { cut, next: { result } });
        await bridge.call("x");
        assertEquals(
          resultIn(bridge.lines.at(-1) ?? ""),
          result,
          `${what}, cut into ${cut}`,
        );
      }
    }
  });

  Deno.test(`an answer over many lines comes on one (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    Object.assign(remote, {
      pretty: true,
      next: { result: '{\n "a": 9007199254740993,\r\n "b": "x y" }' },
    });
    const before = bridge.lines.length;
    const answer = await bridge.call("x");
    assertEquals(answer.result.b, "x y");
    assertEquals(bridge.lines.length, before + 1);
    assert(bridge.lines.at(-1)?.includes("9007199254740993"));
  });

  Deno.test(`a result of 10 MB comes whole, and quickly (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    const result = `{"a":"${"0123456789abcdé😀".repeat(625_000)}"}`;
    Object.assign(remote, { next: { result }, cut: 65_521 });
    const begun = performance.now();
    await bridge.call("x");
    assert(performance.now() - begun < 5000);
    assert(resultIn(bridge.lines.at(-1) ?? "") === result);
  });

  Deno.test(`what the host writes reaches the server as it was written (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    for (const params of Object.values(RESULTS)) {
      const line =
        `{"params":${params},"x-unknown":[1.0],"method":"custom/thing","id":"q","jsonrpc":"2.0"}`;
      const answer = bridge.answer("q");
      const bytes = encode(`${line}\r\n`);
      for (let at = 0; at < bytes.length; at += 13) {
        await bridge.raw(bytes.subarray(at, at + 13));
      }
      await answer;
      assertEquals(remote.posts.at(-1)?.replace(/"id":\d+/, '"id":"q"'), line);
    }
    const big = `{"a":"${"é😀x".repeat(1_000_000)}"}`;
    const answer = bridge.answer(1);
    await bridge.raw(
      `{"jsonrpc":"2.0","id":1,"method":"custom/big","params":${big}}\n`,
    );
    await answer;
    assert(remote.posts.at(-1)?.endsWith(`"params":${big}}`));
  });

  Deno.test(`ids keep their type and spelling (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    const ids = [
      "1",
      '"1"',
      "-5",
      "1.5",
      "9007199254740993",
      '"\\u00e9"',
      '"é😀"',
      '""',
      "0",
    ];
    for (const id of ids) {
      const before = bridge.lines.length;
      await bridge.raw(`{"jsonrpc":"2.0","id":${id},"method":"tools/list"}\n`);
      while (bridge.lines.length === before) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assertEquals(
        bridge.lines.at(-1),
        `{"jsonrpc":"2.0","id":${id},"result":{}}`,
      );
    }
  });
}

for (const answers of ["stream", "sse"] as const) {
  Deno.test(`messages before the answer come before it, as they were written (${answers})`, async () => {
    await using remote = new Scripted(answers);
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    const before = Array.from(
      { length: 500 },
      (_, i) =>
        `{"method":"notifications/custom","jsonrpc":"2.0","params":{"n":${i}.0,"t":"é\\u00e9"},"x":${
          2n ** 64n
        }}`,
    );
    for (const cut of [0, 1009]) {
      Object.assign(remote, { cut, next: { result: '{"done":1}', before } });
      const from = bridge.lines.length;
      await bridge.call("x");
      assertEquals(bridge.lines.slice(from, -1), before);
    }
  });
}
