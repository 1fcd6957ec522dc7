/** What `serve` says to requests that are wrong: a clear error with the right status, and everybody else goes on. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Answer,
  answerOf,
  call,
  Events,
  hello,
  JSON_HEADERS,
  legacy,
  line,
  type Message,
  META,
  modern,
  modernPost,
  noted,
  post,
  request,
  type Serve,
  serving,
  Session,
  soon,
  until,
} from "./kit.ts";

/** One wrong request and what is to come of it. */
interface Case {
  title: string;
  send: () => Promise<Response>;
  status: number;
  code?: number;
  says?: RegExp;
  id?: unknown;
}

/** Sends each, and after each of them looks whether a neighbour's session still works. */
async function check(cases: Case[], neighbour: Session): Promise<void> {
  for (const { title, send, status, code, says, id } of cases) {
    const answer: Answer = await answerOf(await soon(send(), 10_000, title));
    const { message } = answer;
    assertEquals(answer.status, status, `${title}: ${answer.text}`);
    if (code !== undefined) {
      assertEquals(message?.error?.code, code, `${title}: ${answer.text}`);
      assertEquals(message.jsonrpc, "2.0");
      if (id !== undefined) assertEquals(message.id, id, title);
    }
    if (says) assertMatch(message?.error?.message ?? answer.text, says, title);
    assertEquals(await neighbour.call("echo", { text: title }), title);
  }
}

/** Bytes as they go over the wire; gives what comes back until the other side closes or `ms` pass. */
async function raw(
  port: number,
  text: string,
  hangUp = false,
): Promise<string> {
  const socket = await Deno.connect({ hostname: "127.0.0.1", port });
  await socket.write(new TextEncoder().encode(text));
  if (hangUp) {
    socket.close();
    return "";
  }
  const buffer = new Uint8Array(65536);
  const n = await soon(socket.read(buffer), 5000, "an answer");
  socket.close();
  return new TextDecoder().decode(buffer.subarray(0, n ?? 0));
}

const portOf = (serve: Serve) => Number(new URL(serve.origin).port);

Deno.test("messages that are none get 400 and an error that says why", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const wrong = (
      title: string,
      body: string,
      code: number,
      says?: RegExp,
      id?: unknown,
    ): Case => ({
      title,
      send: () => session.post(body),
      status: 400,
      code,
      ...says ? { says } : {},
      id,
    });
    const deep = (n: number) => "[".repeat(n) + "]".repeat(n);
    await check([
      wrong("not JSON", "{ not json", -32700, /Parse error/),
      wrong("nothing", "", -32700),
      wrong("half a message", '{"jsonrpc":"2.0","id":1,"meth', -32700),
      wrong("two messages", '{"jsonrpc":"2.0"} {}', -32700),
      wrong(
        "a line break in a string",
        '{"jsonrpc":"2.0","id":1,"method":"a\nb"}',
        -32700,
      ),
      wrong(
        "an escape that is none",
        '{"jsonrpc":"2.0","id":1,"method":"a\\qb"}',
        -32700,
        /Parse error/,
        1,
      ),
      wrong(
        "a URI that is no string of JSON's",
        '{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"\\q"}}',
        -32700,
        /Parse error/,
        1,
      ),
      wrong("a string", '"hello"', -32600),
      wrong("null", "null", -32600),
      wrong("no jsonrpc", '{"id":1,"method":"ping"}', -32600, /jsonrpc/, 1),
      wrong(
        "another jsonrpc",
        '{"jsonrpc":"1.0","id":1,"method":"ping"}',
        -32600,
        /jsonrpc/,
        1,
      ),
      wrong("no method", '{"jsonrpc":"2.0","id":1}', -32600),
      wrong(
        "a method that is a number",
        '{"jsonrpc":"2.0","id":1,"method":5}',
        -32600,
        /method/,
        1,
      ),
      wrong(
        "params as array",
        '{"jsonrpc":"2.0","id":"a","method":"ping","params":[1]}',
        -32600,
        /params must be an object/,
        "a",
      ),
      wrong(
        "params as null",
        '{"jsonrpc":"2.0","id":2,"method":"ping","params":null}',
        -32600,
        /params/,
        2,
      ),
      wrong(
        "id null",
        '{"jsonrpc":"2.0","id":null,"method":"ping"}',
        -32600,
        /id must be/,
      ),
      wrong(
        "id as object",
        '{"jsonrpc":"2.0","id":{},"method":"ping"}',
        -32600,
        /id must be/,
      ),
      wrong(
        "id as boolean",
        '{"jsonrpc":"2.0","id":true,"method":"ping"}',
        -32600,
        /id must be/,
      ),
      wrong(
        "two ids",
        '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        -32600,
        /twice/,
      ),
      wrong(
        "two ids, one in disguise",
        '{"jsonrpc":"2.0","id":1,"\\u0069d":2,"method":"ping"}',
        -32600,
      ),
      wrong(
        "two methods",
        '{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
        -32600,
        /twice/,
      ),
      wrong(
        "a token in disguise",
        `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"progress\\u0054oken":1}}}`,
        -32600,
      ),
      wrong(
        "method and result",
        '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
        -32600,
      ),
      wrong(
        "result and error",
        '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        -32600,
      ),
      wrong(
        "10000 levels",
        `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${
          deep(10_000)
        }}}`,
        -32700,
        /nesting/,
      ),
      wrong(
        "a batch where there are none",
        JSON.stringify([request("ping")]),
        -32600,
        /2025-11-25 has no batches/,
      ),
      wrong("an empty batch", "[]", -32600),
    ], session);
    const levels = await session.post(
      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":${deep(300)}}}`,
    );
    assertEquals((await answerOf(levels)).message.result, {});
    // Responses that nobody asked for harm nobody.
    for (const id of [1, 77, "x", null]) {
      assertEquals(await session.reply(id, {}), 202);
    }
    assertEquals(
      await session.tell("notifications/cancelled", { requestId: 99 }),
      202,
    );
    assertEquals(await session.tell("notifications/cancelled"), 202);
    assertEquals(await session.call("echo", { text: "fine" }), "fine");
  });
});

Deno.test("an id that is still in use is refused, and the first request goes on; a batch of 2025-03-26 works", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp, { version: "2025-03-26" });
    const first = session.send(call("sleep", { ms: 300 }, "same"));
    await until(
      "the first",
      async () => (await session.call("seen")).split("tools/call").length > 2,
    );
    const second = await session.send(call("echo", {}, "same"));
    assertEquals([second.status, second.message.error.code], [400, -32600]);
    assertMatch(second.message.error.message, /"same" is in use/);
    assertEquals((await first).message.result.content[0].text, "slept 300");
    assertEquals(
      (await session.send(call("echo", { text: "again" }, "same"))).status,
      200,
    );

    const batch = await session.send([
      call("sleep", { ms: 50 }, 1),
      {
        jsonrpc: "2.0",
        method: "notifications/cancelled",
        params: { requestId: 5 },
      },
      call("echo", { text: "two" }, "2"),
      request("no/such/method", {}, 3),
    ]);
    assertEquals(batch.status, 200);
    const answers = Object.fromEntries(
      batch.message.map((one: Message) => [JSON.stringify(one.id), one]),
    );
    assertEquals(answers['"2"'].result.content[0].text, "two");
    assertEquals(answers["1"].result.content[0].text, "slept 50");
    assertEquals(answers["3"].error.code, -32601);
    const quiet = await session.post([
      { jsonrpc: "2.0", method: "notifications/progress", params: {} },
    ]);
    assertEquals([quiet.status, await quiet.text()], [202, ""]);
    const streamed = await session.send([
      call("progress", { n: 2 }, 1, { progressToken: "t" }),
      call("echo", { text: "x" }, 2),
    ]);
    assertEquals(streamed.before.map(({ params }) => params.progress), [1, 2]);
    assertEquals(streamed.message.length, 2);
    await check([
      {
        title: "initialize in a batch",
        send: () => session.post([hello()]),
        status: 400,
        code: -32600,
        says: /initialize cannot be part/,
      },
      {
        title: "101 messages",
        send: () =>
          session.post(Array.from({ length: 101 }, () => request("ping"))),
        status: 400,
        code: -32600,
        says: /100 messages, not 101/,
      },
      {
        title: "one of a batch is none",
        send: () => session.post([request("ping"), 5]),
        status: 400,
        code: -32600,
      },
    ], session);
  });
});

Deno.test("a body of 17 MB gets 413, with and without its length; one of 15 MB passes", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const text = (mb: number) => "x".repeat(mb * 1024 * 1024);
    const big = JSON.stringify(call("echo", { text: text(17) }));
    const chunked = () =>
      fetch(serve.mcp, {
        method: "POST",
        headers: { ...JSON_HEADERS, ...session.headers },
        body: new Blob([big]).stream(),
      });
    await check([
      {
        title: "17 MB",
        send: () => session.post(big),
        status: 413,
        code: -32600,
        says: /larger than 16777216 bytes.*--max-body/,
      },
      {
        title: "17 MB without length",
        send: chunked,
        status: 413,
        code: -32600,
      },
    ], session);
    const fits = text(15);
    assertEquals(await session.call("echo", { text: fits }), fits);
    const head =
      `POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`;
    assertMatch(
      await raw(portOf(serve), `${head}Content-Length: 99999999999\r\n\r\n{`),
      /^HTTP\/1.1 413/,
    );
    for (const size of ["Content-Length: 500", "Transfer-Encoding: chunked"]) {
      await raw(portOf(serve), `${head}${size}\r\n\r\n{"jsonrpc"`, true);
      await raw(
        portOf(serve),
        `${head}Mcp-Session-Id: ${session.id}\r\n${size}\r\n\r\n{`,
        true,
      );
    }
    await raw(portOf(serve), "NOT HTTP AT ALL\r\n\r\n");
    assertEquals(await session.call("echo", { text: "fine" }), "fine");
    assert(!/error|warn/.test(serve.stderr()), serve.stderr());
  });
});

Deno.test("sessions and headers that are wrong: 400, 404, 405, 406, 415", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const ping = request("ping", undefined, 5);
    const method =
      (method: string, headers: Record<string, string> = {}) => () =>
        fetch(serve.mcp, {
          method,
          headers: { accept: "text/event-stream", ...headers },
        });
    const unknown = { "mcp-session-id": "0".repeat(32) };
    await check([
      {
        title: "no session",
        send: () => post(serve.mcp, ping),
        status: 400,
        code: -32600,
        says: /session/i,
        id: 5,
      },
      {
        title: "unknown session",
        send: () => post(serve.mcp, ping, unknown),
        status: 404,
        code: -32600,
        says: /session not found/i,
        id: 5,
      },
      {
        title: "unknown version",
        send: () =>
          session.post(ping, { "mcp-protocol-version": "1999-01-01" }),
        status: 400,
        code: -32600,
        says: /1999-01-01.*2025-11-25/,
        id: 5,
      },
      {
        title: "text/plain",
        send: () => session.post(ping, { "content-type": "text/plain" }),
        status: 415,
        code: -32600,
        says: /application\/json, not text\/plain/,
      },
      {
        title: "application/jsonp",
        send: () => session.post(ping, { "content-type": "application/jsonp" }),
        status: 415,
      },
      {
        title: "Accept excludes both",
        send: () => session.post(ping, { accept: "text/html" }),
        status: 406,
        code: -32600,
        id: 5,
      },
      {
        title: "Accept excludes both at the door",
        send: () =>
          post(serve.mcp, hello({}, "2025-11-25", 5), { accept: "image/png" }),
        status: 406,
        code: -32600,
        id: 5,
      },
      { title: "GET without session", send: method("GET"), status: 400 },
      {
        title: "GET of an unknown session",
        send: method("GET", unknown),
        status: 404,
      },
      {
        title: "GET for JSON",
        send: method("GET", { ...session.headers, accept: "application/json" }),
        status: 406,
      },
      {
        title: "GET after an id that never was",
        send: method("GET", { ...session.headers, "last-event-id": "7-7" }),
        status: 400,
        says: /7-7/,
      },
      {
        title: "GET after an id of another kind",
        send: method("GET", { ...session.headers, "last-event-id": "x" }),
        status: 400,
      },
      { title: "DELETE without session", send: method("DELETE"), status: 400 },
      {
        title: "DELETE of an unknown session",
        send: method("DELETE", unknown),
        status: 404,
      },
      { title: "PUT", send: method("PUT"), status: 405 },
      { title: "PATCH", send: method("PATCH"), status: 405 },
      {
        title: "an unknown route",
        send: () => fetch(`${serve.origin}/nothing`),
        status: 404,
      },
      {
        title: "an unknown server",
        send: () => post(`${serve.origin}/servers/x/mcp`, hello()),
        status: 404,
      },
      {
        title: "POST to /status",
        send: () => post(`${serve.origin}/status`, {}),
        status: 405,
      },
    ], session);
    for (
      const accept of [
        "*/*",
        "application/json",
        "text/event-stream",
        "application/*;q=0.5, text/*",
      ]
    ) {
      const answer = await answerOf(
        await session.post(request("ping", {}), { accept }),
      );
      assertEquals([answer.status, answer.streamed], [
        200,
        accept === "text/event-stream",
      ], accept);
      assertEquals(answer.message.result, {});
    }
    for (
      const type of ["application/json; charset=utf-8", "Application/JSON"]
    ) {
      const answer = await answerOf(
        await session.post(ping, { "content-type": type }),
      );
      assertEquals(answer.message.result, {}, type);
    }
    const other = await Session.open(serve.mcp);
    assertEquals([await other.end(), await other.end()], [200, 404]);
    const late = await other.send(ping);
    assertEquals(late.status, 404);
    assertMatch(late.message.error.message, /terminated/);
  });
});

Deno.test("a foreign Host or Origin gets 403 on every route, before anything else", async () => {
  await serving([
    "--allow-origin",
    "https://good.example",
    "--",
    ...noted(legacy()),
  ], async (serve) => {
    const session = await Session.open(serve.mcp);
    const get = (path: string, host: string, extra = "") =>
      raw(
        portOf(serve),
        `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${extra}Accept: */*\r\n\r\n`,
      );
    for (
      const path of [
        "/mcp",
        "/sse",
        "/messages/?session_id=x",
        "/status",
        "/healthz",
        "/metrics",
        "/x",
      ]
    ) {
      assertMatch(
        await get(path, "evil.example"),
        /^HTTP\/1.1 403[^]*Host "evil.example"/,
        path,
      );
      for (
        const origin of [
          "http://evil.example",
          "null",
          "https://good.example.evil.example",
          "https://evil.example/localhost",
          "file://localhost",
        ]
      ) {
        assertMatch(
          await get(path, "localhost", `Origin: ${origin}\r\n`),
          /^HTTP\/1.1 403[^]*Origin/,
          `${path} ${origin}`,
        );
      }
    }
    for (
      const host of [
        "localhost",
        "LOCALHOST:1",
        "127.0.0.1:80",
        "[::1]:80",
        "[::1]",
      ]
    ) {
      assertMatch(await get("/healthz", host), /^HTTP\/1.1 200/, host);
    }
    for (
      const origin of [
        "http://localhost:3000",
        "https://127.0.0.1",
        "https://good.example",
      ]
    ) {
      assertMatch(
        await get("/healthz", "localhost", `Origin: ${origin}\r\n`),
        /^HTTP\/1.1 200/,
        origin,
      );
    }
    assertEquals(await session.call("echo", { text: "fine" }), "fine");
  });
  await serving(
    ["--allow-host", "proxy.example", "--", ...noted(legacy())],
    async (serve) => {
      const answer = await raw(
        portOf(serve),
        "GET /healthz HTTP/1.1\r\nHost: Proxy.Example:8080\r\n\r\n",
      );
      assertMatch(answer, /^HTTP\/1.1 200/);
    },
  );
});

Deno.test("tokens: 401 with WWW-Authenticate without one or with a wrong one, as bearer or X-API-Key", async () => {
  await serving(
    ["--auth-token", "second", "--", ...noted(legacy())],
    async (serve) => {
      const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
      const session = await Session.open(serve.mcp, {
        headers: bearer("second"),
      });
      const status = async (
        path: string,
        headers: Record<string, string> = {},
      ) => {
        const response = await fetch(`${serve.origin}${path}`, {
          headers: { accept: "text/event-stream", ...headers },
        });
        await response.body?.cancel();
        return [
          response.status,
          response.headers.get("www-authenticate") !== null,
        ];
      };
      for (
        const path of [
          "/mcp",
          "/sse",
          "/messages/?session_id=x",
          "/status",
          "/metrics",
        ]
      ) {
        assertEquals(await status(path), [401, true], path);
        for (const wrong of ["secon", "secondd", "", "SECOND"]) {
          assertEquals(await status(path, bearer(wrong)), [401, true], path);
          assertEquals(
            (await status(path, { "x-api-key": wrong }))[0],
            401,
            path,
          );
        }
      }
      assertEquals(await status("/healthz"), [200, false]);
      assertEquals(await status("/readyz"), [200, false]);
      for (
        const good of [bearer("second"), { "x-api-key": "second" }, {
          authorization: "bearer second",
        }]
      ) {
        assertEquals(
          (await status("/status", good as Record<string, string>))[0],
          200,
        );
      }
      const { status: refused, headers } = await answerOf(
        await post(serve.mcp, hello()),
      );
      assertEquals(refused, 401);
      assertMatch(headers.get("www-authenticate") ?? "", /^Bearer/);
      assertEquals(await session.call("echo", { text: "fine" }), "fine");
      assert(!serve.stderr().includes("second"));
    },
  );
});

Deno.test("modern requests: a missing envelope, headers that differ, unknown versions and methods", async () => {
  await serving([
    "--named-server",
    "old",
    line(noted(legacy())),
    "--",
    ...noted(modern()),
  ], async (serve) => {
    const neighbour = await Session.open(serve.named("old"));
    const echo = call("echo", { text: "x" }, 9);
    const to =
      (headers: Record<string, string>, message = echo, meta: Message = {}) =>
      () => modernPost(serve.mcp, message, { headers, meta });
    const version = { "mcp-protocol-version": "2026-07-28" };
    await check([
      {
        title: "no envelope",
        send: () =>
          post(serve.mcp, echo, {
            ...version,
            "mcp-method": "tools/call",
            "mcp-name": "echo",
          }),
        status: 400,
        code: -32602,
        id: 9,
      },
      {
        title: "no capabilities",
        send: () =>
          modernPost(serve.mcp, echo, {
            meta: { [`${META}clientCapabilities`]: undefined },
          }),
        status: 400,
        code: -32602,
        id: 9,
      },
      {
        title: "another version in the header",
        send: to({ "mcp-protocol-version": "2025-11-25" }),
        status: 400,
        code: -32020,
        says: /MCP-Protocol-Version is "2025-11-25"/,
        id: 9,
      },
      {
        title: "another method in the header",
        send: to({ "mcp-method": "tools/list" }),
        status: 400,
        code: -32020,
        says: /Mcp-Method/,
        id: 9,
      },
      {
        title: "another letter case",
        send: to({ "mcp-method": "Tools/Call" }),
        status: 400,
        code: -32020,
        id: 9,
      },
      {
        title: "another name in the header",
        send: to({ "mcp-name": "big" }),
        status: 400,
        code: -32020,
        says: /Mcp-Name is "big"/,
        id: 9,
      },
      {
        title: "a name in bad base64",
        send: to({ "mcp-name": "=?base64?!?=" }),
        status: 400,
        code: -32020,
        id: 9,
      },
      {
        title: "no headers",
        send: () =>
          post(serve.mcp, {
            ...echo,
            params: {
              ...echo.params,
              _meta: {
                [`${META}protocolVersion`]: "2026-07-28",
                [`${META}clientCapabilities`]: {},
              },
            },
          }),
        status: 400,
        code: -32020,
        id: 9,
      },
      {
        title: "a parameter without its header",
        send: to({}, call("region", { region: "eu" }, 9)),
        status: 400,
        code: -32020,
        says: /Mcp-Param-Region is missing/,
        id: 9,
      },
      {
        title: "a parameter that differs",
        send: to(
          { "mcp-param-region": "us" },
          call("region", { region: "eu" }, 9),
        ),
        status: 400,
        code: -32020,
        id: 9,
      },
      {
        title: "an unknown version",
        send: to({ "mcp-protocol-version": "2099-01-01" }, echo, {
          [`${META}protocolVersion`]: "2099-01-01",
        }),
        status: 400,
        code: -32022,
        says: /2099-01-01/,
        id: 9,
      },
      {
        title: "an unknown method",
        send: to({}, request("no/such", {}, 9)),
        status: 404,
        code: -32601,
        id: 9,
      },
      {
        title: "initialize in an envelope",
        send: to({}, request("initialize", {}, 9)),
        status: 404,
        code: -32601,
        id: 9,
      },
      {
        title: "a response",
        send: () =>
          post(serve.mcp, { jsonrpc: "2.0", id: 9, result: {} }, version),
        status: 400,
        code: -32600,
        id: 9,
      },
      {
        title: "a batch",
        send: () => post(serve.mcp, [echo], version),
        status: 400,
        code: -32600,
      },
      {
        title: "GET",
        send: () => fetch(serve.mcp, { headers: version }),
        status: 405,
      },
      {
        title: "DELETE",
        send: () => fetch(serve.mcp, { method: "DELETE", headers: version }),
        status: 405,
      },
      {
        title: "a legacy hello to a modern server",
        send: () => post(serve.mcp, hello({}, "2025-11-25", 9)),
        status: 400,
        code: -32022,
        id: 9,
      },
      {
        title: "a modern request to a legacy server",
        send: () => modernPost(serve.named("old"), echo),
        status: 400,
        code: -32600,
        says: /initialize/,
        id: 9,
      },
    ], neighbour);
    const good = await answerOf(
      await to({
        "mcp-param-region": "=?base64?w7w=?=",
        "mcp-param-size": "7.0",
      }, call("region", { region: "ü", size: 7 }, 9))(),
    );
    assertEquals([good.status, good.message.id], [200, 9]);
    const { error } = (await answerOf(
      await modernPost(serve.mcp, echo, {
        headers: { "mcp-protocol-version": "2099-01-01" },
        meta: { [`${META}protocolVersion`]: "2099-01-01" },
      }),
    )).message;
    assertEquals(error.data, {
      supported: ["2026-07-28"],
      requested: "2099-01-01",
    });
  });
});

Deno.test("HTTP+SSE: what is wrong with a POST is said in its answer, and the stream goes on", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const events = new Events(await fetch(`${serve.origin}/sse`));
    const endpoint = await events.event();
    assertEquals(endpoint?.type, "endpoint");
    assertMatch(
      endpoint?.data ?? "",
      /^\/messages\/\?session_id=[0-9a-f]{32}$/,
    );
    const url = `${serve.origin}${endpoint?.data}`;
    const neighbour = await Session.open(serve.mcp);
    const ping = request("ping", undefined, 3);
    await check([
      {
        title: "no session",
        send: () => post(`${serve.origin}/messages/`, ping),
        status: 400,
        says: /^session_id is required$/,
      },
      {
        title: "no session id",
        send: () => post(`${serve.origin}/messages/?session_id=xyz`, ping),
        status: 400,
        says: /^Invalid session ID$/,
      },
      {
        title: "another session",
        send: () =>
          post(`${serve.origin}/messages/?session_id=${"0".repeat(32)}`, ping),
        status: 404,
        says: /^Could not find session$/,
      },
      {
        title: "no JSON",
        send: () => post(url, "{ no"),
        status: 400,
        code: -32700,
      },
      {
        title: "no message",
        send: () =>
          post(url, '{"jsonrpc":"2.0","id":3,"method":"a","params":[]}'),
        status: 400,
        code: -32600,
        says: /Could not parse message/,
        id: 3,
      },
      {
        title: "text",
        send: () => post(url, ping, { "content-type": "text/plain" }),
        status: 415,
      },
      {
        title: "17 MB",
        send: () => post(url, "x".repeat(17 * 1024 * 1024)),
        status: 413,
      },
      { title: "GET", send: () => fetch(url), status: 405 },
      {
        title: "POST to /sse",
        send: () => post(`${serve.origin}/sse`, ping),
        status: 405,
      },
    ], neighbour);
    const sent = await post(url, hello({}, "2024-11-05", "h"));
    assertEquals([sent.status, await sent.text()], [202, "Accepted"]);
    assertEquals((await events.next()).id, "h");
    await events.cancel();
  });
});
