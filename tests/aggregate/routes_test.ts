/** The ways in: bare paths, tokens in paths, names with slashes, a base path, HTTP+SSE, and headers that go on. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { startRemote } from "../fixtures/remote_server.ts";
import { run } from "../program.ts";
import {
  call,
  Events,
  hello,
  type Message,
  post,
  request,
  Session,
  until,
} from "../serve/kit.ts";
import {
  aggregating,
  bearer,
  configOf,
  legacyEntry,
  names,
  open,
  say,
} from "./kit.ts";

async function sse(url: string, headers: Record<string, string> = {}) {
  const events = new Events(await fetch(url, { headers }));
  const { type, data } = await events.event() ?? { type: "", data: "" };
  assertEquals(type, "endpoint");
  const send = async (message: Message) => {
    const { status, body } = await post(
      new URL(data, url).href,
      message,
      headers,
    );
    await body?.cancel();
    assertEquals(status, 202);
    return await events.next();
  };
  return { events, send, data };
}

const secret = () =>
  configOf({
    a: legacyEntry({ authTokens: ["OPEN-SESAME", "x/y+z=="] }),
    "deep/name": legacyEntry(),
  });

Deno.test("a token in the path opens a server, over both transports", () =>
  aggregating(secret(), async (aggregate) => {
    const session = await open(`${aggregate.origin}/a/OPEN-SESAME/mcp`);
    assertEquals(await say(session, "echo", { text: "x" }), "x");
    assertEquals(
      await say(await open(`${aggregate.origin}/a/OPEN-SESAME`), "echo", {
        text: "y",
      }),
      "y",
    );
    const { events, send, data } = await sse(
      `${aggregate.origin}/a/OPEN-SESAME/sse`,
    );
    assertStringIncludes(data, "/a/OPEN-SESAME/message?sessionId=");
    assertEquals((await send(hello())).result.serverInfo.name, "fixture");
    await events.cancel();
    const slashed = await open(`${aggregate.origin}/a/x/y+z==/mcp`);
    assertEquals(await say(slashed, "echo", { text: "z" }), "z");
    for (
      const path of [
        "/a/mcp",
        "/a/OPEN-BARLEY/mcp",
        "/a/sse",
        "/a",
        "/a/OPEN-BARLEY/",
      ]
    ) {
      const { status, body } = await fetch(`${aggregate.origin}${path}`);
      await body?.cancel();
      assertEquals(status, 401, path);
    }
    assert(!aggregate.stderr().includes("OPEN-SESAME"), "it is not in the log");
  }));

Deno.test("the bare path answers as the type says; names may have slashes", async () => {
  await aggregating(secret(), async (aggregate) => {
    for (const path of ["/deep/name", "/deep/name/", "/deep/name/mcp"]) {
      const session = await open(`${aggregate.origin}${path}`);
      assertEquals(await say(session, "echo", { text: path }), path);
    }
  });
  await aggregating(
    configOf({ a: legacyEntry() }, { type: "sse" }),
    async (aggregate) => {
      for (const path of ["/a/", "/a", "/a/sse", "/sse"]) {
        const { events, send } = await sse(`${aggregate.origin}${path}`);
        assert((await send(hello())).result);
        await events.cancel();
      }
      assertStringIncludes(aggregate.stderr(), "<a> Handling requests at /a/");
    },
  );
});

Deno.test("everything is under the path of baseURL", () =>
  aggregating(
    configOf({ a: legacyEntry() }, { baseURL: "https://example.com/api" }),
    async (aggregate) => {
      const base = `${aggregate.origin}/api`;
      const session = await open(`${base}/mcp`);
      assert((await names(session, "tools")).includes("a__echo"));
      const { data, events } = await sse(`${base}/a/sse`);
      assert(data.startsWith("/api/a/message?sessionId="), data);
      await events.cancel();
      for (const path of ["", "/", "/status", "/_healthz", "/_readyz"]) {
        const { status, body } = await fetch(`${base}${path}`);
        await body?.cancel();
        assertEquals(status, 200, path);
      }
      const outside = await fetch(aggregate.named("a"), {
        method: "POST",
      });
      await outside.body?.cancel();
      assertEquals(outside.status, 404);
    },
  ));

Deno.test("the combined endpoint works over HTTP+SSE", () =>
  aggregating(
    configOf({ a: legacyEntry(), b: legacyEntry() }),
    async (aggregate) => {
      const { events, send } = await sse(`${aggregate.origin}/sse`);
      await send(hello());
      const { result } = await send(call("b__echo", { text: "x" }));
      assertEquals(result.content[0].text, "x");
      await events.cancel();
    },
  ));

Deno.test("only headers that are named go on to a server, each client's own", async () => {
  const remote = startRemote();
  const plain = startRemote();
  try {
    const entry = (url: string, options: Message) => ({
      url,
      transportType: "streamable-http",
      headers: { "x-fixed": "F" },
      options,
    });
    await aggregating(
      configOf({
        named: entry(remote.url, {
          forwardHeaders: ["Authorization", "X-User"],
        }),
        plain: entry(plain.url, {}),
      }),
      async (aggregate) => {
        await until(
          "both are up",
          async () =>
            (await names(await open(aggregate.mcp), "tools")).some((name) =>
              name.startsWith("plain__")
            ),
        );
        remote.requests.length = plain.requests.length = 0;
        const headers = (user: string) => ({
          ...bearer(`of-${user}`),
          "x-user": user,
          cookie: "c=1",
        });
        const ways = [aggregate.mcp, aggregate.named("named")];
        for (const [index, url] of ways.entries()) {
          for (const user of ["ann", "bob"]) {
            const session = await Session
              .open(url, { headers: headers(user) });
            const tool = index === 0 ? "named__echo" : "echo";
            assertEquals(await say(session, tool, { text: user }), user);
            if (index === 0) await say(session, "plain__echo", { text: user });
            await session.end();
          }
        }
        const calls = remote.requests.filter(({ frame }) =>
          frame?.method === "tools/call"
        );
        assertEquals(
          calls.map(({ headers, body }) => [
            headers.get("authorization"),
            headers.get("x-user"),
            headers.get("x-fixed"),
            headers.get("cookie"),
            /ann|bob/.exec(body)?.[0],
          ]),
          ["ann", "bob", "ann", "bob"].map((
            user,
          ) => [`Bearer of-${user}`, user, "F", null, user]),
        );
        for (const { headers } of [...plain.requests]) {
          for (const name of ["authorization", "x-user", "cookie"]) {
            assertEquals(headers.get(name), null, name);
          }
        }
        assert(plain.requests.length > 0);
      },
    );
  } finally {
    await remote.close();
    await plain.close();
  }
});

Deno.test("a server that knows only its users is offered in their name", async () => {
  const remote = startRemote({ token: "ann" });
  try {
    await aggregating(
      configOf({
        a: {
          url: remote.url,
          transportType: "streamable-http",
          options: { forwardHeaders: ["Authorization"] },
        },
        b: legacyEntry(),
      }),
      async (aggregate) => {
        const session = await open(aggregate.mcp, "ann");
        const tools = await names(session, "tools");
        assert(tools.includes("a__echo") && tools.includes("b__echo"));
        assertEquals(await say(session, "a__echo", { text: "x" }), "x");
        const stranger = await open(aggregate.mcp, "eve");
        const others = await names(stranger, "tools");
        assert(!others.includes("a__echo") && others.includes("b__echo"));
        const { message } = await stranger.send(call("a__echo"));
        assert(message.error);
        await stranger.send(request("ping"));
      },
    );
  } finally {
    await remote.close();
  }
});

Deno.test("what a server offers to one user is not offered to another, also on one connection for all", async () => {
  const remote = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen() {} },
    async (asked) => {
      if (asked.method !== "POST") return new Response(null, { status: 405 });
      const { id, method } = await asked.json();
      const results: Record<string, object | undefined> = {
        initialize: {
          protocolVersion: "2025-11-25",
          capabilities: { tools: { listChanged: true } },
          serverInfo: { name: "users", version: "1" },
        },
        ping: {},
        "tools/list": {
          tools: [{
            name: `of_${asked.headers.get("x-user")}`,
            inputSchema: { type: "object" },
          }],
        },
      };
      if (id === undefined) return new Response(null, { status: 202 });
      const result = results[method];
      const error = { code: -32601, message: "unknown" };
      return Response.json({
        jsonrpc: "2.0",
        id,
        ...result ? { result } : { error },
      });
    },
  );
  const a = {
    url: `http://127.0.0.1:${remote.addr.port}/mcp`,
    transportType: "streamable-http",
    isolation: "shared",
    options: { forwardHeaders: ["X-User"] },
  };
  try {
    await aggregating(configOf({ a }), async (aggregate) => {
      for (const user of ["ann", "ben"]) {
        const session = await Session.open(aggregate.mcp, {
          headers: { "x-user": user },
        });
        assertEquals(await names(session, "tools"), [`a__of_${user}`]);
      }
    });
  } finally {
    await remote.shutdown();
  }
});

Deno.test("an address in use is told with the key that says another one", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const folder = Deno.makeTempDirSync();
  try {
    const addr = `127.0.0.1:${taken.addr.port}`;
    const file = `${folder}/config.json`;
    Deno.writeTextFileSync(file, JSON.stringify(configOf({}, { addr })));
    const { code, stderr } = await run(["aggregate", "--config", file]);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "choose another one with mcpProxy.addr");
  } finally {
    taken.close();
    Deno.removeSync(folder, { recursive: true });
  }
});
