/** The HTTP client over raw sockets: every request once, every body as it was, connections kept and closed. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { checkedSockets, dialer } from "../../lib/wire/dial.ts";
import { ConnectError, Http1Client, type Reply } from "../../lib/wire/http1.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What a server does with one request. */
type Answer = (conn: Deno.Conn, request: string) => Promise<void> | void;

/** A server that answers with raw bytes; `done` closes everything. */
class RawServer implements AsyncDisposable {
  requests: string[] = [];
  connections = 0;
  answer: Answer = () => {};
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #open = new Set<Deno.Conn>();
  readonly #tasks: Promise<void>[] = [];
  readonly client = new Http1Client(
    dialer(checkedSockets([]), () => undefined),
  );

  constructor(answer: string | Answer, cut = 0) {
    this.answer = typeof answer === "string"
      ? (conn) => this.write(conn, answer, cut)
      : answer;
    this.#tasks.push(this.#accept());
  }

  get url(): string {
    return `http://127.0.0.1:${
      (this.#listener.addr as Deno.NetAddr).port
    }/p?q=1`;
  }

  async write(conn: Deno.Conn, text: string, cut = 0): Promise<void> {
    const bytes = encode(text), size = cut || bytes.length;
    for (let at = 0; at < bytes.length; at += size) {
      await conn.write(bytes.subarray(at, at + size));
      if (cut > 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  hangUp(): void {
    for (const conn of [...this.#open]) this.close(conn);
  }

  close(conn: Deno.Conn): void {
    if (this.#open.delete(conn)) conn.close();
  }

  send(
    body: Uint8Array<ArrayBuffer> | null = encode("body"),
    signal = new AbortController().signal,
  ): Promise<Reply> {
    return this.client.fetch(this.url, {
      method: "POST",
      headers: { "x-a": "1" },
      body,
      signal,
    });
  }

  async text(): Promise<string> {
    return decode(await (await this.send()).bytes());
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      this.connections++;
      this.#open.add(conn);
      this.#tasks.push(this.#serve(conn));
    }
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(65536);
    let text = "";
    try {
      for (
        let count = await conn.read(buffer);
        count !== null;
        count = await conn.read(buffer)
      ) {
        text += decode(buffer.subarray(0, count));
        const head = text.indexOf("\r\n\r\n") + 4,
          length = Number(/content-length: (\d+)/.exec(text)?.[1] ?? 0);
        if (head < 4 || text.length < head + length) continue;
        this.requests.push(text);
        const request = text;
        text = "";
        await this.answer(conn, request);
      }
    } catch { /* it was closed */ }
    this.close(conn);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.#listener.close();
    this.hangUp();
    await Promise.all(this.#tasks);
  }
}

const OK = "HTTP/1.1 200 OK\r\n";

Deno.test("a request goes out as it should, and its connection is used again", async () => {
  await using server = new RawServer(`${OK}content-length: 2\r\n\r\nhi`);
  assertEquals(await server.text(), "hi");
  assertEquals(await server.text(), "hi");
  const host = new URL(server.url).host;
  assertEquals(
    server.requests[0],
    `POST /p?q=1 HTTP/1.1\r\nhost: ${host}\r\naccept-encoding: identity\r\nx-a: 1\r\ncontent-length: 4\r\n\r\nbody`,
  );
  assertEquals(server.connections, 1);
});

Deno.test("bodies come whole, however they are framed and cut", async () => {
  const chunked =
    "transfer-encoding: chunked\r\n\r\n5;x=y\r\nhällo\r\n".replace("5;", "6;") +
    "2\r\n w\r\n0\r\nTrailer: x\r\n\r\n";
  const cases: [string, boolean][] = [
    [`${OK}Content-Length:   8\r\n\r\nhällo w`, true],
    [`${OK}${chunked}`, true],
    [`${OK}connection: close\r\ncontent-length: 8\r\n\r\nhällo w`, false],
    ["HTTP/1.0 200 OK\r\ncontent-length: 8\r\n\r\nhällo w", false],
    [
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}content-length: 8\r\n\r\nhällo w`,
      true,
    ],
    ["HTTP/1.1 200\r\ncontent-length: 8\r\n\r\nhällo w", true],
  ];
  for (const [answer, kept] of cases) {
    for (const cut of [0, 1, 3]) {
      await using server = new RawServer(answer, cut);
      assertEquals(await server.text(), "hällo w", answer);
      const reply = await server.send();
      let text = "";
      const pieces = new TextDecoder();
      for await (const piece of reply.body ?? []) {
        text += pieces.decode(piece, { stream: true });
      }
      assertEquals(text, "hällo w");
      assertEquals(server.connections, kept ? 1 : 2, answer);
    }
  }
});

Deno.test("a body without a length ends with its connection", async () => {
  await using server = new RawServer(async (conn) => {
    await conn.write(
      encode(`${OK}content-type: text/plain\r\n\r\nuntil the end`),
    );
    server.close(conn);
  });
  const reply = await server.send();
  assertEquals(reply.headers.get("content-type"), "text/plain");
  assertEquals(decode(await reply.bytes()), "until the end");
});

Deno.test("answers without a body leave the connection free", async () => {
  await using server = new RawServer("HTTP/1.1 204 No Content\r\n\r\n");
  for (let i = 0; i < 3; i++) {
    const reply = await server.send();
    assertEquals([
      reply.status,
      reply.statusText,
      reply.body,
      (await reply.bytes()).length,
    ], [204, "No Content", null, 0]);
  }
  assertEquals(server.connections, 1);
});

Deno.test("a request whose connection breaks is not sent again", async () => {
  for (
    const part of [
      "",
      "HTTP/1.1 2",
      `${OK}content-length: 10\r\n\r\nabc`,
      `${OK}transfer-encoding: chunked\r\n\r\n5\r\nab`,
    ]
  ) {
    let broken = false;
    await using server = new RawServer(async (conn) => {
      // The first answer makes the connection a kept one, which fetch would try again.
      if (!broken) await server.write(conn, `${OK}content-length: 2\r\n\r\nok`);
      else {
        if (part) await conn.write(encode(part));
        server.close(conn);
      }
      broken = true;
    });
    assertEquals(await server.text(), "ok");
    await assertRejects(() => server.text());
    assertEquals(server.requests.length, 2, part);
    broken = false;
    assertEquals(await server.text(), "ok");
  }
});

Deno.test("a kept connection that the server closes is noticed before it is used", async () => {
  await using server = new RawServer(`${OK}content-length: 2\r\n\r\nok`);
  for (let i = 0; i < 5; i++) {
    assertEquals(await server.text(), "ok");
    server.hangUp();
    // The end of the connection has to arrive first; nothing tells when it has.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assertEquals(server.requests.length, 5);
});

Deno.test("what is no HTTP is refused", async () => {
  const cases = [
    "SSH-2.0-x\r\n\r\n",
    `${OK}content-length: -3\r\n\r\n`,
    `${OK}transfer-encoding: chunked\r\n\r\nxyz\r\n`,
    `${OK}transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n`,
    `${OK}content-encoding: gzip\r\ncontent-length: 1\r\n\r\nx`,
    "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    `${OK}${"x-long: y\r\n".repeat(50_000)}\r\n`,
  ];
  for (const answer of cases) {
    await using server = new RawServer(answer);
    const error = await assertRejects(() => server.text());
    assert(!(error instanceof ConnectError));
    assertEquals(server.requests.length, 1);
  }
});

Deno.test("nobody there is an error of its own", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  const client = new Http1Client(dialer(checkedSockets([]), () => undefined));
  const request = {
    method: "GET",
    headers: {},
    body: null,
    signal: new AbortController().signal,
  };
  await assertRejects(
    () => client.fetch(`http://127.0.0.1:${port}/`, request),
    ConnectError,
  );
  await assertRejects(
    () => client.fetch(`https://127.0.0.1:${port}/`, request),
    ConnectError,
  );
});

Deno.test("an abort breaks off whatever goes on, with its own reason", async () => {
  for (
    const answer of [
      "",
      `${OK}content-length: 10\r\n\r\nabc`,
      `${OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    ]
  ) {
    await using server = new RawServer(async (conn) => {
      if (answer) await conn.write(encode(answer));
    });
    const stop = new AbortController();
    const reading = (async () =>
      (await server.send(encode("x"), stop.signal)).bytes())();
    while (server.requests.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const reason = new Error("enough");
    stop.abort(reason);
    assertEquals(await assertRejects(() => reading), reason);
    await assertRejects(() => server.send(null, stop.signal), Error, "enough");
  }
});

Deno.test("large bodies go both ways, and an answer may come before all is sent", async () => {
  const large = new Uint8Array(3_000_000).fill(120);
  await using server = new RawServer(async (conn, request) => {
    await server.write(
      conn,
      `${OK}content-length: ${request.length}\r\n\r\n${request}`,
    );
  });
  const echo = decode(await (await server.send(large)).bytes());
  assertEquals(echo.length - echo.indexOf("\r\n\r\n") - 4, large.length);
  await using early = new RawServer(() => {});
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const served = (async () => {
    const conn = await listener.accept();
    await conn.read(new Uint8Array(1000));
    await conn.write(
      encode("HTTP/1.1 413 Content Too Large\r\ncontent-length: 4\r\n\r\nmuch"),
    );
    return conn;
  })();
  const url = `http://127.0.0.1:${(listener.addr as Deno.NetAddr).port}/`;
  const signal = new AbortController().signal;
  const reply = await early.client.fetch(url, {
    method: "POST",
    headers: {},
    body: new Uint8Array(20_000_000),
    signal,
  });
  assertEquals([reply.status, decode(await reply.bytes())], [413, "much"]);
  (await served).close();
  listener.close();
});

Deno.test("a body is read once, and what is left unread closes its connection", async () => {
  await using server = new RawServer(`${OK}content-length: 2\r\n\r\nok`);
  const reply = await server.send();
  await reply.bytes();
  await assertRejects(() => reply.bytes(), TypeError);
  const second = await server.send();
  await second.body?.cancel();
  assertEquals(await server.text(), "ok");
  assertEquals(server.connections, 2);
});

Deno.test("a header with a line break is not sent", async () => {
  await using server = new RawServer(`${OK}content-length: 0\r\n\r\n`);
  const headers = { "x-a": "1\r\nx-b: 2" };
  const signal = new AbortController().signal;
  await assertRejects(
    () =>
      server.client.fetch(server.url, {
        method: "GET",
        headers,
        body: null,
        signal,
      }),
    ConnectError,
  );
});
