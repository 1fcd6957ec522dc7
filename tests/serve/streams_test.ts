/** What `serve` sends, and when: plain answers and streams, their resumption, and both older and newer transports. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../program.ts";
import {
  alive,
  answerOf,
  call,
  Events,
  hello,
  legacy,
  line,
  type Message,
  META,
  modern,
  modernPost,
  noted,
  post,
  request,
  serving,
  Session,
  soon,
  unix,
  until,
} from "./kit.ts";

const textOf = (message: Message) => message.result?.content?.[0]?.text;
const progressOf = (messages: Message[]) =>
  messages.map(({ params }) => params.progress);

Deno.test("an answer is JSON where the response comes first, and a stream where something comes before", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const plain = await session.send(call("echo", { text: "x" }));
    assertEquals([plain.status, plain.streamed], [200, false]);
    const streamed = await session.send(
      call("progress", { n: 3 }, 1, { progressToken: "t" }),
    );
    assertEquals(progressOf(streamed.before), [1, 2, 3]);
    assertEquals(textOf(streamed.message), "progressed 3");
    for (const name of ["cache-control", "x-accel-buffering"]) {
      assertMatch(streamed.headers.get(name) ?? "", /no/);
    }
    // Who takes no streams gets the response, and the rest on the stream of no request.
    const general = await session.get();
    const json = await answerOf(
      await session.post(call("progress", { n: 2 }, 2, { progressToken: 5 }), {
        accept: "application/json",
      }),
    );
    assertEquals([json.streamed, textOf(json.message)], [
      false,
      "progressed 2",
    ]);
    assertEquals((await general.next()).params.progressToken, 5);
    await general.cancel();
    const failing = await session.send(request("no/such/method"));
    assertEquals([failing.status, failing.message.error.code], [200, -32601]);
  });
});

Deno.test("answers that take 5 s become streams, and quiet streams are kept alive with comments", async () => {
  const args = ["--named-server", "new", line(noted(modern())), "--"];
  await serving([...args, ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const begin = performance.now();
    const headers = async (response: Promise<Response>) => {
      const came = await response;
      const took = performance.now() - begin;
      return { took, answer: await answerOf(came) };
    };
    const slow = () => call("sleep", { ms: 6000 });
    const stream = await session.get();
    const sse = new Events(await fetch(`${serve.origin}/sse`));
    await sse.event();
    const comments = (events: Events) =>
      until("a comment", async () => {
        // What is read here are comments only: no event comes.
        await events.event(1000).catch(() => {});
        return events.comments.length > 0;
      }, 20_000);
    const kept = Promise.all([comments(stream), comments(sse)]);
    const [older, newer, patient] = await Promise.all([
      headers(session.post(slow())),
      headers(modernPost(serve.named("new"), slow())),
      headers(session.post(slow(), { accept: "application/json" })),
    ]);
    for (const { took, answer } of [older, newer]) {
      assert(took > 3900 && took < 5900, `the head came after ${took} ms`);
      assertEquals([answer.streamed, textOf(answer.message)], [
        true,
        "slept 6000",
      ]);
    }
    assert(patient.took >= 5900);
    assertEquals(patient.answer.streamed, false);
    await kept;
    assert(performance.now() - begin < 18_000);
    assertEquals(stream.comments, ["keep-alive"]);
    await stream.cancel();
    await sse.cancel();
  });
});

Deno.test("messages wait while no GET stream is open; a second GET replaces the first", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const touch = (list: string) => session.call("touch", { list });
    const method = (list: string) => `notifications/${list}/list_changed`;
    await touch("tools");
    const first = await session.get();
    assertEquals((await first.next()).method, method("tools"));
    const second = await session.get();
    assertEquals(await first.rest(), []);
    await touch("prompts");
    assertEquals((await second.next()).method, method("prompts"));
    await second.cancel();
    await until("the end of that stream", async () => {
      // Only what no stream has taken waits: the proxy has to have noticed.
      await touch("resources");
      const third = await session.get();
      const event = await third.event(100).catch(() => undefined);
      await third.cancel();
      return event && JSON.parse(event.data).method === method("resources");
    });
    const last = await session.get(first.lastId);
    assertEquals((await last.next()).method, method("prompts"));
    assertEquals((await last.next()).method, method("resources"));
    await last.cancel();
  });
});

Deno.test("a stream that is cut goes on where it stopped, by Last-Event-ID, with nothing twice or of another stream", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const cut = new AbortController();
    const events = new Events(
      await session.post(
        call("progress", { n: 30, ms: 20 }, "cut", { progressToken: 1 }),
        {},
        cut.signal,
      ),
    );
    const primed = await events.event();
    assertEquals([primed?.data, primed?.id !== ""], ["", true]);
    const got = [await events.next(), await events.next()];
    const { lastId } = events;
    cut.abort();
    await events.cancel();
    await session.send(call("progress", { n: 5 }, 2, { progressToken: 2 }));
    await session.call("touch");
    const rest = await (await session.get(lastId)).rest();
    const response = rest.pop();
    assertEquals(response.id, "cut");
    assertEquals(
      progressOf([...got, ...rest]),
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    assertEquals(
      [...got, ...rest].every(({ params }) => params.progressToken === 1),
      true,
    );
    // It has ended, and can still be had for a while.
    const again = await (await session.get(primed?.id)).rest();
    assertEquals(again.length, 31);

    const general = await session.get();
    assertEquals(
      (await general.next()).method,
      "notifications/tools/list_changed",
    );
    await general.cancel();
    await session.call("touch", { list: "prompts" });
    const resumed = await session.get(general.lastId);
    assertEquals(
      (await resumed.next()).method,
      "notifications/prompts/list_changed",
    );
    await resumed.cancel();

    const older = await Session.open(serve.mcp, { version: "2025-06-18" });
    const unprimed = new Events(
      await older.post(call("progress", { n: 1 }, 1, { progressToken: 1 })),
    );
    assertEquals((await unprimed.event())?.data === "", false);
    await unprimed.cancel();
  });
});

Deno.test("what is kept for clients that come back is bounded, and ends with the session", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const flood = await session.send(call("flood", { n: 5000 }));
    assertEquals(flood.before.length, 5000);
    const kept = await (await session.get("1-0")).rest();
    assert(kept.length > 100 && kept.length <= 2000, `${kept.length} are kept`);
    assertEquals(textOf(kept.at(-1)), "flooded 5000");
    assertEquals(await session.end(), 200);
    const late = await session.get("1-0").catch((error) => error.message);
    assertMatch(late, /terminated/);
  });
});

Deno.test("a legacy client that hangs up has not cancelled; notifications/cancelled has", async () => {
  await serving(["--", ...noted(legacy())], async (serve) => {
    const session = await Session.open(serve.mcp);
    const hangUp = new AbortController();
    const left = session.post(
      call("sleep", { ms: 400, key: "left" }, 1),
      {},
      hangUp.signal,
    ).catch(() => {});
    await until(
      "the call",
      async () => (await session.call("count", { of: "left" })) === "1",
    );
    hangUp.abort();
    await left;
    const kept = session.send(call("sleep", { ms: 60_000, key: "kept" }, 2));
    await until(
      "the call",
      async () => (await session.call("count", { of: "kept" })) === "1",
    );
    await session.tell("notifications/cancelled", { requestId: 2 });
    assertMatch((await kept).message.error.message, /cancelled/);
    const again = await session.send(call("echo", { text: "1" }, 1));
    // Its id is in use until the response has come.
    if (again.status === 400) {
      assertMatch(again.message.error.message, /in use/);
    }
    await until(
      "the response",
      async () => (await session.send(call("echo", {}, 1))).status === 200,
    );
    const list = JSON.parse(await session.call("cancelled"));
    assertEquals(list.map(({ key }: Message) => key), ["kept"]);
  });
});

Deno.test("HTTP+SSE: a whole conversation, with sampling, progress and logs, on the default and on a named server", async () => {
  const args = ["--named-server", "a b", line(noted(legacy())), "--"];
  await serving([...args, ...noted(legacy())], async (serve) => {
    for (const path of ["", "/servers/a%20b"]) {
      const events = new Events(await fetch(`${serve.origin}${path}/sse`));
      const endpoint = await events.event();
      assertEquals(endpoint?.type, "endpoint");
      assert(endpoint?.data.startsWith(`${path}/messages/?session_id=`));
      const url =
        new URL(endpoint?.data ?? "", `${serve.origin}${path}/sse`).href;
      const send = async (message: Message, to = url) => {
        const response = await post(to, message);
        await response.body?.cancel();
        assertEquals(response.status, 202);
      };
      await send(hello({ sampling: {} }, "2024-11-05", "init"));
      const { id, result } = await events.next();
      assertEquals([id, result.protocolVersion], ["init", "2024-11-05"]);
      await send({ jsonrpc: "2.0", method: "notifications/initialized" });
      await send(
        call("ask", { method: "sampling/createMessage", params: { x: 1 } }, 7),
        url.replace("session_id", "sessionId"),
      );
      const asked = await events.next();
      assertEquals([asked.method, asked.params], ["sampling/createMessage", {
        x: 1,
      }]);
      await send({ jsonrpc: "2.0", id: asked.id, result: { y: 2 } });
      const answer = await events.next();
      assertEquals([answer.id, JSON.parse(textOf(answer))], [7, {
        result: { y: 2 },
      }]);
      await send(call("progress", { n: 2 }, 8, { progressToken: "p" }));
      assertEquals([
        (await events.next()).params.progressToken,
        (await events.next()).params.progress,
        (await events.next()).id,
      ], ["p", 2, 8]);
      await send(call("log", { n: 1 }, 9));
      assertEquals([(await events.next()).method, (await events.next()).id], [
        "notifications/message",
        9,
      ]);
      await send(call("pid", {}, 10));
      const { pid } = JSON.parse(textOf(await events.next()));
      assert(alive(pid));
      await events.cancel();
      await until("the end of its process", () => !alive(pid));
      const late = await post(url, request("ping"));
      assertEquals([late.status, await late.text()], [
        404,
        "Could not find session",
      ]);
    }
  });
});

Deno.test("modern: listens with the same id get each what they asked for, under their own id", async () => {
  await serving(["--", ...noted(modern())], async (serve) => {
    const listen = async (notifications: Message, id: unknown) => {
      const events = new Events(
        await modernPost(
          serve.mcp,
          request("subscriptions/listen", { notifications }, id),
        ),
      );
      const first = await events.next();
      assertEquals(first.method, "notifications/subscriptions/acknowledged");
      assertEquals(first.params._meta[`${META}subscriptionId`], id);
      assertEquals(first.params.notifications, notifications);
      return events;
    };
    const use = async (tool: string, args: Message = {}) =>
      textOf(
        (await answerOf(await modernPost(serve.mcp, call(tool, args)))).message,
      );
    const [one, two, text] = await Promise.all([
      listen({ toolsListChanged: true }, 1),
      listen({
        resourceSubscriptions: ["fixture://a"],
        promptsListChanged: true,
      }, 1),
      listen({ toolsListChanged: true }, "1"),
    ]);
    await use("touch");
    await use("update", { uri: "fixture://b" });
    await use("update", { uri: "fixture://a" });
    await use("touch", { list: "prompts" });
    for (
      const [events, methods, id] of [
        [one, ["tools/list_changed"], 1],
        [two, ["resources/updated", "prompts/list_changed"], 1],
        [text, ["tools/list_changed"], "1"],
      ] as const
    ) {
      for (const method of methods) {
        const message = await events.next();
        assertEquals(message.method, `notifications/${method}`);
        assertEquals(message.params._meta[`${META}subscriptionId`], id);
      }
    }
    assertEquals(JSON.parse(await use("subscribed")).length, 3);
    await two.cancel();
    await until(
      "the end of one listen",
      async () => JSON.parse(await use("subscribed")).length === 2,
    );
    await one.cancel();
    await text.cancel();
    await until(
      "the end of all",
      async () => (await use("subscribed")) === "[]",
    );
  });
});

Deno.test("modern: hanging up cancels at the server; sessions are neither made nor asked for; input_required passes", async () => {
  await serving(["--", ...noted(modern())], async (serve) => {
    const use = async (message: Message, options = {}) =>
      await answerOf(await modernPost(serve.mcp, message, options));
    const first = await use(call("echo", { text: "x" }, "m"));
    assertEquals([
      first.status,
      first.message.id,
      first.headers.get("mcp-session-id"),
    ], [200, "m", null]);
    const cancelled = async () =>
      JSON.parse(textOf((await use(call("cancelled"))).message)).map((
        { key }: Message,
      ) => key);
    for (
      const [key, tool] of [[
        "plain",
        call("sleep", { ms: 60_000, key: "plain" }),
      ], [
        "streamed",
        call("progress", { n: 1000, ms: 50, key: "streamed" }, 1, {
          progressToken: 1,
        }),
      ]] as const
    ) {
      const hangUp = new AbortController();
      const gone = modernPost(serve.mcp, tool, { signal: hangUp.signal }).then((
        response,
      ) => response.body?.cancel()).catch(() => {});
      await until(
        "the call",
        async () =>
          textOf((await use(call("count", { of: key }))).message) === "1",
      );
      hangUp.abort();
      await gone;
      await until(
        "the cancellation",
        async () => (await cancelled()).includes(key),
      );
    }
    const ask = (params: Message = {}) => {
      const message = call("ask", {
        method: "elicitation/create",
        params: { q: 1 },
      });
      return use({ ...message, params: { ...message.params, ...params } }, {
        capabilities: { elicitation: {} },
      });
    };
    const { result } = (await ask()).message;
    assertEquals([result.resultType, result.requestState], [
      "input_required",
      "round 1",
    ]);
    const done = await ask({
      requestState: "round 1",
      inputResponses: { asked: { a: 1 } },
    });
    assertEquals(JSON.parse(textOf(done.message)), { result: { a: 1 } });
    const logged = await use(call("log", { n: 2 }), {
      meta: { [`${META}logLevel`]: "info" },
    });
    assertEquals([logged.before.length, textOf(logged.message)], [
      2,
      "logged 2",
    ]);
    const crash = await use(call("crash"));
    assertMatch(crash.message.error.message, /exited with code 3/);
    assertEquals(
      textOf((await use(call("echo", { text: "again" }))).message),
      "again",
    );
  });
});

Deno.test("a legacy server that ends at a modern request is asked in its own way, and is not taken for broken", async () => {
  await serving(["--", ...noted(legacy("--strict"))], async (serve) => {
    const { status, message } = await answerOf(
      await modernPost(serve.mcp, call("echo", {}, 1)),
    );
    assertEquals([status, message.error.code], [400, -32600]);
    assertMatch(message.error.message, /initialize/);
    const session = await Session.open(serve.mcp);
    assertEquals(await session.call("echo", { text: "x" }), "x");
    const { state, era, restarts } = await serve.server();
    assertEquals([state, era, restarts], ["running", "legacy", 0]);
  });
  await serving(
    ["--", ...noted(modern("--slow-start", "300"))],
    async (serve) => {
      // Both at once, before it is known what it speaks.
      const answers = await Promise.all(
        [1, 2, 3].map(async (id) =>
          await answerOf(
            await modernPost(serve.mcp, call("echo", { text: "x" }, id)),
          )
        ),
      );
      assertEquals(
        answers.map(({ message }) => [message.id, textOf(message)]),
        [[1, "x"], [2, "x"], [3, "x"]],
      );
      assertEquals((await serve.server()).era, "modern");
    },
  );
});

Deno.test("CORS: nothing by default; origins that are allowed get what a browser needs", async () => {
  const preflight = (url: string, origin: string) =>
    fetch(url, {
      method: "OPTIONS",
      headers: {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "mcp-session-id, mcp-param-x",
      },
    });
  const allow = "access-control-allow-origin";
  await serving(["--", ...noted(legacy())], async (serve) => {
    for (const origin of ["http://localhost:3000", "https://page.example"]) {
      const response = await preflight(serve.mcp, origin);
      await response.body?.cancel();
      assert(response.status >= 400 && !response.headers.has(allow), origin);
    }
  });
  const args = [
    "--allow-origin",
    "https://page.example",
    "https://two.example",
    "--expose-header",
    "x-own",
    "--",
  ];
  await serving([...args, ...noted(legacy())], async (serve) => {
    const response = await preflight(serve.mcp, "https://two.example");
    assertEquals([response.status, response.headers.get(allow)], [
      204,
      "https://two.example",
    ]);
    assertMatch(
      response.headers.get("access-control-allow-methods") ?? "",
      /POST.*DELETE/,
    );
    assertEquals(
      response.headers.get("access-control-allow-headers"),
      "mcp-session-id, mcp-param-x",
    );
    const headers = { origin: "https://page.example" };
    const session = await Session.open(serve.mcp, { headers });
    const exposed =
      session.first.headers.get("access-control-expose-headers") ?? "";
    assertMatch(exposed, /mcp-session-id.*x-own/);
    assertEquals(session.first.headers.get(allow), headers.origin);
    const stream = await session.get();
    assertEquals(stream.response.headers.get(allow), headers.origin);
    await stream.cancel();
    const missing = await session.post("{");
    assertEquals([missing.status, missing.headers.get(allow)], [
      400,
      headers.origin,
    ]);
    await missing.body?.cancel();
  });
});

Deno.test("--stateless: no handshake, no session, one process for all, the same id from everybody", async () => {
  await serving(["--stateless", "--", ...noted(legacy())], async (serve) => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, async (_, i) =>
        await answerOf(
          await post(serve.mcp, call("echo", { text: `${i}` }, 1)),
        )),
    );
    assertEquals(
      answers.map(({ message }) => textOf(message)),
      Array.from({ length: 100 }, (_, i) => `${i}`),
    );
    const first = await answerOf(await post(serve.mcp, hello()));
    assertEquals([
      first.message.result.protocolVersion,
      first.headers.get("mcp-session-id"),
    ], ["2025-11-25", null]);
    const progress = await answerOf(
      await post(
        serve.mcp,
        call("progress", { n: 2 }, 1, { progressToken: 1 }),
      ),
    );
    assertEquals(progressOf(progress.before), [1, 2]);
    const ask = await answerOf(
      await post(serve.mcp, call("ask", { method: "sampling/createMessage" })),
    );
    assert(JSON.parse(textOf(ask.message)).error, "nobody can be asked");
    for (const method of ["GET", "DELETE"]) {
      const response = await fetch(serve.mcp, {
        method,
        headers: { accept: "text/event-stream" },
      });
      await response.body?.cancel();
      assertEquals(response.status, 405);
    }
    const batch = await answerOf(await post(serve.mcp, [request("ping")]));
    assertEquals([batch.status, batch.message.error.code], [400, -32600]);
    const pids = await Promise.all(
      Array.from(
        { length: 5 },
        async () =>
          textOf((await answerOf(await post(serve.mcp, call("pid")))).message),
      ),
    );
    assertEquals(new Set(pids).size, 1);
    const { sessions, pids: all } = await serve.server();
    assertEquals(sessions, 0);
    assert(all.length <= 2, `${all}`);
  });
});

Deno.test("/status, /healthz, /readyz and /metrics have the forms that scripts expect", async () => {
  await serving([
    "--named-server",
    'x"y',
    line(noted(legacy())),
    "--",
    ...noted(legacy()),
  ], async (serve) => {
    const get = async (path: string) => {
      const response = await fetch(`${serve.origin}${path}`);
      return {
        status: response.status,
        type: response.headers.get("content-type"),
        text: await response.text(),
      };
    };
    const session = await Session.open(serve.mcp);
    assertEquals(JSON.parse((await get("/healthz")).text), { status: "ok" });
    const ready = await get("/readyz");
    assertEquals([ready.status, JSON.parse(ready.text).status], [200, "ready"]);
    const status = await get("/status");
    assertMatch(status.type ?? "", /^application\/json/);
    const { api_last_activity, server_instances, servers } = JSON.parse(
      status.text,
    );
    assertMatch(
      api_last_activity,
      /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/,
    );
    assertEquals(server_instances, {
      default: "configured",
      'x"y': "configured",
    });
    const { state, sessions, restarts, isolation, pids } = servers.default;
    assertEquals([state, sessions, restarts, isolation], [
      "running",
      1,
      0,
      "session",
    ]);
    assert(pids.every((pid: number) => alive(pid)));
    const metrics = await get("/metrics");
    assertMatch(metrics.type ?? "", /^text\/plain; version=0\.0\.4/);
    for (const text of metrics.text.trimEnd().split("\n")) {
      assertMatch(
        text,
        /^(# (HELP|TYPE) mcp_proxy_\w+ .+|mcp_proxy_\w+(\{server="(\\.|[^"\\])+"\})? \d+)$/,
      );
    }
    assertMatch(metrics.text, /mcp_proxy_sessions\{server="default"\} 1/);
    const head = await fetch(`${serve.origin}/status`, { method: "HEAD" });
    assertEquals([head.status, await head.text()], [200, ""]);
    assertEquals(await session.end(), 200);
    await until(
      "the end of its process",
      async () => (await serve.server()).sessions === 0,
    );
  });
  await serving([
    "--named-server",
    "good",
    line(noted(legacy())),
    "--",
    ...noted(legacy("--slow-start", "1")),
  ], async (serve) => {
    const { status } = await fetch(`${serve.origin}/readyz`).then(async (
      r,
    ) => ({ status: r.status, text: await r.text() }));
    assert(status === 503 || status === 200);
    await until("readiness", async () => {
      const response = await fetch(`${serve.origin}/readyz`);
      await response.body?.cancel();
      return response.status === 200;
    }, 3000);
  });
});

Deno.test("more sessions than --max-sessions get 503 with the flag's name, and idle ones make room", async () => {
  await serving([
    "--max-sessions",
    "2",
    "--session-idle",
    "1s",
    "--",
    ...noted(legacy()),
  ], async (serve) => {
    const busy = await Session.open(serve.mcp);
    const stream = await busy.get();
    const idle = await Session.open(serve.mcp);
    const refused = await answerOf(
      await post(serve.mcp, hello({}, "2025-11-25", 1)),
    );
    assertEquals([refused.status, refused.message.id], [503, 1]);
    assertMatch(refused.message.error.message, /2 sessions.*--max-sessions/);
    assert(Number(refused.headers.get("retry-after")) > 0);
    await until(
      "room",
      async () => (await serve.server()).sessions === 1,
      4000,
    );
    const late = await idle.send(request("ping"));
    assertEquals(late.status, 404);
    assertMatch(late.message.error.message, /idle/);
    assertEquals(
      await busy.call("echo", { text: "open streams are use" }),
      "open streams are use",
    );
    await stream.cancel();
  });
});

Deno.test({
  name:
    "a unix socket is for its user only, replaces a stale one, and is not taken from who listens on it",
  ignore: !unix,
  async fn() {
    const directory = Deno.makeTempDirSync();
    const path = `${directory}/socket`;
    const ask = async (path: string) => {
      const socket = await Deno.connect({ transport: "unix", path });
      await socket.write(
        new TextEncoder().encode(
          "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        ),
      );
      const text = await new Response(socket.readable).text();
      assertMatch(text, /^HTTP\/1.1 200[^]*"ok"/);
    };
    const stale = Deno.listen({ transport: "unix", path });
    stale.close();
    await serving(["--unix", path, "--", ...noted(legacy())], async (serve) => {
      assertMatch(serve.stderr(), new RegExp(`unix:${path}`));
      await ask(path);
      assertEquals((Deno.statSync(path).mode ?? 0) & 0o777, 0o600);
      const { code, stderr } = await run([
        "serve",
        "--unix",
        path,
        "--",
        ...legacy(),
      ]);
      assertEquals(code, 1);
      assertMatch(stderr, /socket.*in use/);
      await ask(path);
    });
    assertEquals([...Deno.readDirSync(directory)], []);
    Deno.removeSync(directory, { recursive: true });
  },
});

Deno.test("TLS: --tls-cert and --tls-key serve HTTPS; one without the other is a usage error", async () => {
  const tls = `${import.meta.dirname}/../fixtures/tls`;
  const client = Deno.createHttpClient({
    caCerts: [Deno.readTextFileSync(`${tls}/ca.pem`)],
  });
  await serving([
    "--tls-cert",
    `${tls}/cert.pem`,
    "--tls-key",
    `${tls}/key.pem`,
    "--",
    ...noted(legacy()),
  ], async (serve) => {
    assertMatch(serve.origin, /^https:/);
    const response = await fetch(serve.mcp, {
      client,
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(hello()),
    });
    assertEquals((await response.json()).result.serverInfo.name, "fixture");
  });
  client.close();
  const { code, stderr } = await run([
    "serve",
    "--tls-cert",
    `${tls}/cert.pem`,
    "--",
    ...legacy(),
  ]);
  assertEquals(code, 2);
  assertMatch(stderr, /--tls-key/);
});

Deno.test({
  name:
    "a client that does not read is cut off at a bound; memory does not grow, and the others do not notice",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await serving(
      ["--isolation", "shared", "--", ...noted(legacy())],
      async (serve) => {
        const rss = () =>
          Number(
            /VmRSS:\s+(\d+)/.exec(
              Deno.readTextFileSync(`/proc/${serve.pid}/status`),
            )?.[1],
          ) / 1024;
        const session = await Session.open(serve.mcp);
        const socket = await Deno.connect({
          hostname: "127.0.0.1",
          port: Number(new URL(serve.origin).port),
        });
        await socket.write(
          new TextEncoder().encode(
            "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n",
          ),
        );
        const buffer = new Uint8Array(4096);
        let head = "";
        while (!head.includes("\n\n")) {
          head += new TextDecoder().decode(
            buffer.subarray(0, await socket.read(buffer) ?? 0),
          );
        }
        const url = serve.origin + /data: (\S+)/.exec(head)?.[1];
        const before = rss();
        let last = 202, sent = 0, most = 0;
        for (; last === 202 && sent < 200; sent++) {
          const response = await post(
            url,
            call("big", { size: 1024 * 1024 }, sent),
          );
          await response.body?.cancel();
          last = response.status;
          most = Math.max(most, rss());
          if (sent % 10 === 0) {
            await soon(session.call("echo"), 5000, "an echo");
          }
        }
        assertEquals(last, 404, "it has been cut off");
        assert(sent > 32 && sent < 150, `after ${sent} MB`);
        assert(most - before < 400, `memory grew from ${before} to ${most} MB`);
        assertEquals(await session.call("echo", { text: "fine" }), "fine");
        socket.close();
      },
    );
  },
});
