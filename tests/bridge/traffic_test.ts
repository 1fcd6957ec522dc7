/** Everything that a host and a server say to each other crosses a bridge, in both eras. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Remote,
  type RemoteOptions,
  startRemote,
} from "../fixtures/remote_server.ts";
import { Bridge, ENVELOPE, INITIALIZE, textOf, until } from "./kit.ts";

async function between(
  options: RemoteOptions,
  run: (bridge: Bridge, remote: Remote) => Promise<void>,
  args: (remote: Remote) => string[] = (remote) => [remote.url],
): Promise<void> {
  const remote = startRemote(options);
  try {
    await using bridge = new Bridge(args(remote));
    await run(bridge, remote);
  } finally {
    await remote.close();
  }
}

const LEGACY: [string, RemoteOptions, (remote: Remote) => string[]][] = [
  ["Streamable HTTP", {}, (remote) => [remote.url]],
  [
    "Streamable HTTP without a GET stream",
    { getStream: false },
    (remote) => [remote.url],
  ],
  ["HTTP+SSE", {}, (remote) => [remote.sseUrl]],
];

for (const [name, options, args] of LEGACY) {
  Deno.test(`the host's own initialize reaches the server, and its answer comes back unchanged (${name})`, () =>
    between(options, async (bridge) => {
      const params = { ...INITIALIZE, "x-unknown": { a: [1] } };
      const { result } = await bridge.initialize(params);
      assertEquals(result.serverInfo, {
        name: "remote",
        version: "1.0.0",
        "x-unknown": true,
      });
      assertEquals(result.capabilities.experimental, {
        remote: { unknown: true },
      });
      assertEquals(JSON.parse(textOf(await bridge.call("client"))), params);
    }, args));

  Deno.test(`sampling, elicitation and roots go to the host and back (${name})`, () =>
    between(options, async (bridge) => {
      await bridge.initialize();
      for (
        const method of [
          "sampling/createMessage",
          "elicitation/create",
          "roots/list",
          "custom/ask",
        ]
      ) {
        const answer = bridge.call("ask", { method, params: { a: 1 } });
        const asked = await bridge.other((message) =>
          message.method === method
        );
        assertEquals(asked.params, { a: 1 });
        await bridge.send({ id: asked.id, result: { from: method } });
        assertEquals(JSON.parse(textOf(await answer)), {
          result: { from: method },
        });
      }
      const answer = bridge.call("ask", { method: "sampling/createMessage" });
      const { id } = await bridge.other((message) =>
        message.method === "sampling/createMessage"
      );
      await bridge.send({ id, error: { code: -1, message: "no", data: [1] } });
      assertEquals(JSON.parse(textOf(await answer)), {
        error: { code: -1, message: "no", data: [1] },
      });
    }, args));

  Deno.test(`progress, logs, completion, subscriptions, unknown methods and errors cross (${name})`, () =>
    between(options, async (bridge) => {
      await bridge.initialize();
      await bridge.call("progress", { n: 3 }, { progressToken: "p-é" });
      assertEquals(
        bridge.others.splice(0).map((
          { params },
        ) => [params.progressToken, params.progress]),
        [["p-é", 1], ["p-é", 2], ["p-é", 3]],
      );
      await bridge.call("log", { n: 2 });
      assertEquals(bridge.others.splice(0).map(({ params }) => params.data), [
        "log 1",
        "log 2",
      ]);
      assertEquals((await bridge.request("completion/complete", {})).result, {
        completion: { values: [] },
      });
      assertEquals((await bridge.request("custom/echo", { a: [1] })).result, {
        echoed: { a: [1] },
      });
      assertEquals(
        (await bridge.request("resources/read", { uri: "remote://x" })).error,
        {
          code: -32602,
          message: "Resource not found",
          data: { uri: "remote://x" },
        },
      );
      assertEquals((await bridge.request("no/such")).error.code, -32601);
      assertEquals((await bridge.request("ping")).result, {});
    }, args));

  Deno.test(`sixteen calls run side by side (${name})`, () =>
    between(options, async (bridge) => {
      await bridge.initialize();
      const begun = performance.now();
      const answers = await Promise.all(
        Array.from({ length: 16 }, () => bridge.call("sleep", { ms: 300 })),
      );
      assert(answers.every((answer) => textOf(answer) === "slept 300"));
      assert(performance.now() - begun < 2000);
    }, args));

  Deno.test(`a cancelled call is cancelled at the server, and gets no answer (${name})`, () =>
    between(options, async (bridge, remote) => {
      await bridge.initialize();
      await bridge.send({
        id: "cancelled",
        method: "tools/call",
        params: { name: "sleep", arguments: { ms: 400 } },
      });
      await until("the call", () => remote.count("tools/call") === 1);
      await bridge.notify("notifications/cancelled", {
        requestId: "cancelled",
        reason: "enough",
      });
      await until(
        "the cancellation",
        () => remote.count("notifications/cancelled") === 1,
      );
      const { frame } = remote.requests.findLast(({ frame }) =>
        frame?.method === "notifications/cancelled"
      ) ?? {};
      const asked = remote.requests.find(({ frame }) =>
        frame?.method === "tools/call"
      )?.frame;
      assertEquals(frame?.params, { requestId: asked?.id, reason: "enough" });
      await bridge.call("sleep", { ms: 500 });
      assert(
        !bridge.lines.some((line) =>
          line.includes('"cancelled"')
        ),
      );
    }, args));
}

Deno.test("what belongs to no request comes on the GET stream", () =>
  between({}, async (bridge, remote) => {
    await bridge.initialize();
    await until("the stream", () => remote.openStreams() === 1);
    for (
      const method of [
        "notifications/tools/list_changed",
        "notifications/custom",
      ]
    ) {
      remote.push(method, { a: 1 });
      assertEquals(
        (await bridge.other((message) => message.method === method)).params,
        { a: 1 },
      );
    }
  }));

Deno.test("a session's requests carry its id and version, initialize neither", () =>
  between({}, async (bridge, remote) => {
    await bridge.initialize({ ...INITIALIZE, protocolVersion: "2025-06-18" });
    await bridge.call("echo");
    const [first, ...others] = remote.requests;
    assertEquals(first?.headers.get("mcp-session-id"), null);
    assertEquals(first?.headers.get("mcp-protocol-version"), null);
    for (const { headers } of others) {
      assertEquals(headers.get("mcp-session-id"), remote.sessions()[0]);
      assertEquals(headers.get("mcp-protocol-version"), "2025-06-18");
    }
    assertEquals(
      first?.headers.get("accept"),
      "application/json, text/event-stream",
    );
    assertEquals(first?.headers.get("content-type"), "application/json");
  }));

Deno.test("initialized has arrived before the request that follows it at once", () =>
  between({}, async (bridge, remote) => {
    for (let round = 0; round < 5; round++) {
      await bridge.request("initialize", INITIALIZE);
      await bridge.raw(
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n{"jsonrpc":"2.0","id":"next","method":"tools/list"}\n',
      );
      await bridge.answer("next");
    }
    const order = remote.requests.map(({ frame }) => frame?.method).filter((
      method,
    ) => method !== undefined);
    assertEquals(
      order.join(),
      Array(5).fill("initialize,notifications/initialized,tools/list").join(),
    );
    assertEquals(
      remote.sessions().length,
      1,
      "sessions that were begun anew are ended",
    );
  }));

Deno.test("auto finds HTTP+SSE where a URL speaks no Streamable HTTP", async () => {
  const remote = startRemote({ eras: [] });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    (request) => {
      const { pathname, search } = new URL(request.url);
      if (
        request.method === "POST" && pathname === "/mcp"
      ) return new Response(null, { status: 405 });
      const to = new URL(
        pathname === "/mcp" ? "/sse" : pathname + search,
        remote.url,
      );
      return fetch(to, {
        method: request.method,
        headers: request.headers,
        body: request.body,
      });
    },
  );
  try {
    const url = `http://127.0.0.1:${server.addr.port}/mcp`;
    {
      await using bridge = new Bridge([url]);
      // A modern host asks first, and is not told that this is a modern server.
      const probe = await bridge.modern("server/discover");
      assert(
        probe.error && ![-32020, -32021, -32022].includes(probe.error.code),
      );
      await bridge.initialize();
      assertEquals(textOf(await bridge.call("echo", { text: "old" })), "old");
      assertEquals(await bridge.close(), 0);
    }
    await until("the end of the session", () => remote.sessions().length === 0);
    await using pinned = new Bridge(["--transport", "streamablehttp", url]);
    assertMatch((await pinned.request("initialize", {})).error.message, /405/);
  } finally {
    await remote.close();
    await server.shutdown();
  }
});

Deno.test("auto says both reasons where a URL speaks neither", () =>
  between({ eras: [] }, async (bridge) => {
    const { message } = (await bridge.request("initialize", {})).error;
    assertMatch(
      message,
      /answered 404 Not Found.*as HTTP\+SSE: .*answered 404 Not Found/s,
    );
  }));

Deno.test("a modern host is sent back to initialize by a legacy server", () =>
  between({ eras: ["legacy"] }, async (bridge) => {
    const { error } = await bridge.modern("server/discover");
    assert(
      ![-32020, -32021, -32022, -32601].includes(error.code),
      JSON.stringify(error),
    );
    await bridge.initialize();
    assertEquals(textOf(await bridge.call("echo", { text: "x" })), "x");
  }));

Deno.test("a legacy host hears from a modern server which versions it speaks", () =>
  between({ eras: ["modern"] }, async (bridge) => {
    assertEquals((await bridge.request("initialize", INITIALIZE)).error, {
      code: -32022,
      message: "Unsupported protocol version",
      data: { supported: ["2026-07-28"], requested: "2025-11-25" },
    });
    assertEquals(
      (await bridge.modern("server/discover")).result.supportedVersions,
      ["2026-07-28"],
    );
  }));

for (const answers of ["json", "stream"] as const) {
  Deno.test(`modern requests carry the headers that mirror them (${answers})`, () =>
    between({ answers, eras: ["modern"] }, async (bridge, remote) => {
      assertEquals(
        textOf(
          await bridge.modern("tools/call", {
            name: "echo",
            arguments: { text: "a" },
          }),
        ),
        "a",
      );
      // The bridge has read the list by itself, once.
      assertEquals(remote.count("tools/list"), 1);
      const args = { region: "Zürich ", size: 42, dry: false };
      const seen = await bridge.modern("tools/call", {
        name: "region",
        arguments: args,
      });
      assertEquals(JSON.parse(textOf(seen)), args);
      const { headers } = remote.requests.at(-1) ?? {};
      assertEquals(headers?.get("mcp-method"), "tools/call");
      assertEquals(headers?.get("mcp-name"), "region");
      assertEquals(headers?.get("mcp-protocol-version"), "2026-07-28");
      assertEquals(headers?.get("mcp-param-size"), "42");
      assertEquals(headers?.get("mcp-param-region"), "=?base64?WsO8cmljaCA=?=");
      assertEquals(headers?.get("mcp-session-id"), null);
      assertEquals(
        (await bridge.modern("tools/call", {
          name: "region",
          arguments: { region: null },
        })).error,
        undefined,
      );
      assertEquals(
        (await bridge.modern("resources/read", { uri: "remote://a" })).error,
        undefined,
      );
      assertEquals(
        (await bridge.modern("prompts/get", { name: "greet" })).error,
        undefined,
      );
      assertEquals(remote.count("tools/list"), 1);
    }));

  Deno.test(`tools with headers that cannot be are not shown to a modern host (${answers})`, () =>
    between({ answers, eras: ["modern"] }, async (bridge) => {
      const { tools } = (await bridge.modern("tools/list")).result;
      const names = tools.map(({ name }: { name: string }) => name);
      assert(names.includes("region") && names.includes("echo"));
      assert(!names.includes("bad_header"));
      assertMatch(bridge.stderr, /Tool "bad_header" is left out/);
    }));
}

Deno.test("a server that finds the headers wrong is asked for its tools and called once more", () =>
  between({ eras: ["modern"] }, async (bridge, remote) => {
    await bridge.modern("tools/list");
    const body =
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch"}}';
    const fault = {
      status: 400,
      body,
      headers: { "content-type": "application/json" },
    };
    remote.fail(fault, { when: ({ frame }) => frame?.method === "tools/call" });
    const answer = await bridge.modern("tools/call", {
      name: "region",
      arguments: { region: "x", key: "k" },
    });
    assertEquals(answer.error, undefined);
    assertEquals([
      remote.count("tools/list"),
      remote.count("tools/call"),
      remote.runs.get("k"),
    ], [2, 2, 1]);
    remote.fail(fault, {
      times: 9,
      when: ({ frame }) => frame?.method === "tools/call",
    });
    const again = await bridge.modern("tools/call", {
      name: "region",
      arguments: { region: "x" },
    });
    assertEquals(again.error.code, -32020);
  }));

Deno.test("404 with a JSON-RPC error is that error to a modern host, not a lost session", () =>
  between({ eras: ["modern"] }, async (bridge) => {
    assertEquals((await bridge.modern("no/such")).error.code, -32601);
    assertEquals(
      (await bridge.modern("no/such")).error.message,
      "Method not found: no/such",
    );
  }));

Deno.test("multi-round requests, per-request logs and listen streams cross in the modern era", () =>
  between({ eras: ["modern"] }, async (bridge, remote) => {
    const first = await bridge.modern("tools/call", {
      name: "ask",
      arguments: { method: "elicitation/create" },
    });
    assertEquals(first.result.resultType, "input_required");
    const second = await bridge.modern("tools/call", {
      name: "ask",
      arguments: { method: "elicitation/create" },
      requestState: first.result.requestState,
      inputResponses: { asked: { action: "accept" } },
    });
    assertEquals(JSON.parse(textOf(second)), { result: { action: "accept" } });
    const listen = {
      id: 77,
      method: "subscriptions/listen",
      params: { notifications: { toolsListChanged: true }, _meta: ENVELOPE },
    };
    await bridge.send(listen);
    const key = "io.modelcontextprotocol/subscriptionId";
    const acknowledged = await bridge.other(({ method }) =>
      method === "notifications/subscriptions/acknowledged"
    );
    assertEquals(acknowledged.params._meta[key], 77);
    remote.push("notifications/tools/list_changed");
    const changed = await bridge.other(({ method }) =>
      method === "notifications/tools/list_changed"
    );
    assertEquals(changed.params._meta[key], 77);
    await bridge.notify("notifications/cancelled", { requestId: 77 });
    await until("the end of the stream", () => remote.openStreams() === 0);
    assertEquals(
      remote.count("notifications/cancelled"),
      0,
      "closing the stream is the cancellation",
    );
  }));

Deno.test("a modern request that is cancelled is broken off", () =>
  between({ eras: ["modern"] }, async (bridge, remote) => {
    remote.fail({ hang: true }, {
      when: ({ frame }) => frame?.method === "tools/call",
    });
    await bridge.send({
      id: "x",
      method: "tools/call",
      params: { name: "echo", arguments: {}, _meta: ENVELOPE },
    });
    await until("the call", () => remote.count("tools/call") === 1);
    await bridge.notify("notifications/cancelled", { requestId: "x" });
    assertEquals(
      textOf(
        await bridge.modern("tools/call", {
          name: "echo",
          arguments: { text: "on" },
        }),
      ),
      "on",
    );
    assertEquals(await bridge.close(), 0);
    assert(!bridge.lines.some((line) => line.includes('"id":"x"')));
  }));
