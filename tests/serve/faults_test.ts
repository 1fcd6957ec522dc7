/** Servers that behave badly behind `serve`, and the end of `serve` itself. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { program, run } from "../program.ts";
import {
  alive,
  answerOf,
  call,
  hello,
  legacy,
  line,
  noted,
  post,
  serving,
  Session,
  soon,
  unix,
  until,
} from "./kit.ts";

const bad = (...flags: string[]) => noted(legacy(...flags));
const neighbour = ["--named-server", "good", line(noted(legacy()))];

Deno.test("a server that crashes at start is failed, says why, is tried again, and its neighbour works", async () => {
  await serving(
    [...neighbour, "--", ...bad("--die-at-start")],
    async (serve) => {
      const good = await Session.open(serve.named("good"));
      await until(
        "the state of the bad one",
        async () => (await serve.server()).state === "failed",
      );
      const { server_instances, servers } = await serve.status();
      assertEquals(server_instances, { default: "failed", good: "configured" });
      assertMatch(
        servers.default.lastError,
        /exited with code 1.*cannot start, as asked/,
      );
      const refused = await answerOf(
        await post(serve.mcp, hello({}, "2025-11-25", 7)),
      );
      assertEquals([refused.status, refused.message.id], [503, 7]);
      assertMatch(
        refused.message.error.message,
        /"default".* exited with code 1/,
      );
      assertEquals(refused.headers.get("mcp-session-id"), null);
      const sse = await fetch(`${serve.origin}/sse`);
      const events = await sse.text();
      assertEquals(sse.status, 503, events);
      const before = serve.pids().length;
      await until("another try", () => serve.pids().length > before);
      assertEquals(
        await good.call("echo", { text: "still here" }),
        "still here",
      );
    },
  );
});

Deno.test("serve ends with code 1 where no server can be started, and says why of each", async () => {
  const { code, stderr } = await soon(
    run([
      "serve",
      "--named-server",
      "one",
      line(legacy("--die-at-start")),
      "--named-server",
      "two",
      "no-such-command-anywhere",
    ]),
    10_000,
    "the end",
  );
  assertEquals(code, 1);
  assertMatch(stderr, /No server could be started.*"one" exited with code 1/);
  assertMatch(stderr, /"no-such-command-anywhere" was not found/);
});

Deno.test("a command that is not found and a wrong directory are named in /status and in the answer", async () => {
  const config = Deno.makeTempFileSync({ suffix: ".json" });
  const [command, ...args] = legacy();
  Deno.writeTextFileSync(
    config,
    JSON.stringify({
      mcpServers: {
        good: { command, args },
        missing: { command: "no-such-command-anywhere" },
        nowhere: { command, args, cwd: "/no/such/directory" },
      },
    }),
  );
  await serving(["--named-server-config", config], async (serve) => {
    for (
      const [name, text] of [
        ["missing", /command "no-such-command-anywhere" was not found/],
        ["nowhere", /working directory "\/no\/such\/directory" does not exist/],
      ] as const
    ) {
      const { status, message } = await answerOf(
        await post(serve.named(name), hello()),
      );
      assertEquals(status, 503);
      assertMatch(message.error.message, text);
      assertEquals((await serve.server(name)).state, "failed");
    }
    const good = await Session.open(serve.named("good"));
    assertEquals(await good.call("echo", { text: "x" }), "x");
  });
  Deno.removeSync(config);
});

Deno.test("a server that hangs at start costs its own timeout, not more, and nothing of it stays", async () => {
  const config = Deno.makeTempFileSync({ suffix: ".json" });
  await serving(["--named-server-config", config], async (serve) => {
    const begin = performance.now();
    const { message } = await answerOf(
      await post(serve.named("hung"), hello()),
    );
    const took = performance.now() - begin;
    assertMatch(message.error.message, /"hung".*initialize.*0\.7 s/);
    assert(took > 600 && took < 2500, `${took} ms`);
    const modern = await answerOf(
      await post(
        serve.named("hung"),
        {
          jsonrpc: "2.0",
          id: 1,
          method: "tools/list",
          params: {
            _meta: {
              "io.modelcontextprotocol/protocolVersion": "2026-07-28",
              "io.modelcontextprotocol/clientCapabilities": {},
            },
          },
        },
        { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/list" },
      ),
    );
    assert(modern.status >= 400 && modern.message.error, modern.text);
    await until(
      "the end of the hung ones",
      async () => (await serve.server("hung")).pids.length <= 1,
    );
    assertEquals((await serve.server("hung")).sessions, 0);
  }, {
    env: (() => {
      const [command, ...args] = legacy("--hang");
      Deno.writeTextFileSync(
        config,
        JSON.stringify({
          mcpServers: { hung: { command, args, timeout: "700ms" } },
        }),
      );
      return {};
    })(),
  });
  Deno.removeSync(config);
});

Deno.test("garbage on stdout and a flood of notifications harm neither the call nor the next one", async () => {
  await serving(["--", ...bad()], async (serve) => {
    const session = await Session.open(serve.mcp);
    assertEquals(await session.call("garbage", { lines: 100 }), "garbled 100");
    const warned = serve.stderr().match(/is no message/g) ?? [];
    assert(
      warned.length > 0 && warned.length < 10,
      `${warned.length} warnings`,
    );
    const flood = await session.send(call("flood", { n: 20_000 }));
    assertEquals(flood.before.length, 20_000);
    assertEquals(flood.before.at(-1).params.data, "flood 19999");
    assertEquals(flood.message.result.content[0].text, "flooded 20000");
    assertEquals(await session.call("echo", { text: "after" }), "after");
  });
});

Deno.test("stderr may be flooded without holding up an answer", async () => {
  await serving(
    ["--log-level", "error", "--", ...bad("--stderr-flood")],
    async (serve) => {
      const session = await Session.open(serve.mcp);
      for (let i = 0; i < 20; i++) {
        assertEquals(await session.call("echo", { text: `${i}` }), `${i}`);
      }
    },
  );
});

Deno.test("a server that exits in the middle of calls: each caller is told at once, then the session, and a new one works", async () => {
  await serving(["--", ...bad()], async (serve) => {
    const [broken, other] = await Promise.all([
      Session.open(serve.mcp),
      Session.open(serve.mcp),
    ]);
    const kept = other.send(call("sleep", { ms: 1500 }));
    const sleeping = [1, 2, 3].map((id) =>
      broken.send(call("sleep", { ms: 60_000 }, id))
    );
    await until(
      "the calls",
      async () => JSON.parse(await broken.call("seen")).length >= 5,
    );
    const begin = performance.now();
    const crash = await broken.send(call("crash", {}, "c"));
    assertEquals(crash.message.id, "c");
    assertMatch(
      crash.message.error.message,
      /"default" exited with code 3 while "tools\/call" was running/,
    );
    for (
      const [index, { message }] of (await Promise.all(sleeping)).entries()
    ) {
      assertEquals(message.id, index + 1);
      assertMatch(message.error.message, /exited with code 3/);
    }
    assert(performance.now() - begin < 2000, "they were told at once");
    const next = await broken.send(call("echo"));
    assertEquals(next.status, 404);
    assertMatch(next.message.error.message, /exited with code 3/);
    const again = await Session.open(serve.mcp);
    assertEquals(await again.call("echo", { text: "new" }), "new");
    assertEquals((await kept).message.result.content[0].text, "slept 1500");
    assertEquals((await serve.server()).restarts, 1);
    const exit = await again.send(call("exit", { code: 0 }));
    assert(exit.message.result, "an answer before the end is an answer");
    await until(
      "the end of that session",
      async () => (await again.send(call("echo"))).status === 404,
    );
  });
});

Deno.test("a shared server that crashes is started again, told all anew, and its sessions go on", async () => {
  await serving(
    ["--isolation", "shared", "--", ...bad()],
    async (serve) => {
      const one = await Session.open(serve.mcp, {
        capabilities: { sampling: {} },
      });
      const two = await Session.open(serve.mcp);
      await one.send({
        jsonrpc: "2.0",
        id: 1,
        method: "resources/subscribe",
        params: { uri: "fixture://a" },
      });
      await one.send({
        jsonrpc: "2.0",
        id: 1,
        method: "logging/setLevel",
        params: { level: "warning" },
      });
      const stream = await one.get();
      const before = JSON.parse(await one.call("pid")).pid;
      const sleeping = two.send(call("sleep", { ms: 60_000 }));
      await until(
        "the call",
        async () =>
          JSON.parse(await one.call("seen")).filter((
            { method }: { method: string },
          ) => method === "tools/call").length >= 3,
      );
      const crash = await one.send(call("crash"));
      assertMatch(crash.message.error.message, /exited with code 3/);
      assertMatch((await sleeping).message.error.message, /exited with code 3/);
      const after = JSON.parse(
        await until(
          "the new process",
          () => two.call("pid").catch(() => undefined),
        ),
      ).pid;
      assert(after !== before);
      assertEquals(JSON.parse(await two.call("subscribed")), ["fixture://a"]);
      assertEquals(
        JSON.parse(await one.call("seen")).slice(0, 2).map((
          { method }: { method: string },
        ) => method),
        ["initialize", "notifications/initialized"],
      );
      await two.call("update", { uri: "fixture://a" });
      const updated = await stream.next();
      assertEquals(updated.params, { uri: "fixture://a" });
      await stream.cancel();
      assertEquals((await serve.server()).restarts, 1);
    },
  );
});

Deno.test("a shared server that dies after each handshake is not started without a pause", async () => {
  await serving(
    ["--isolation", "shared", "--", ...bad("--crash-after-init")],
    async (serve) => {
      await Session.open(serve.mcp).catch(() => {});
      await until("a second try", () => serve.pids().length >= 2);
      const begin = serve.pids().length;
      await new Promise((done) => setTimeout(done, 2500));
      const tries = serve.pids().length - begin;
      assert(tries <= 5, `${tries} tries in 2.5 s`);
    },
  );
});

Deno.test("a server that does not read its stdin neither blocks nor fills the memory, and its calls fail in time", async () => {
  const config = Deno.makeTempFileSync({ suffix: ".json" });
  const [command, ...args] = legacy("--no-read");
  const [good, ...words] = legacy();
  Deno.writeTextFileSync(
    config,
    JSON.stringify({
      mcpServers: {
        deaf: { command, args, timeout: 1, isolation: "shared" },
        good: { command: good, args: words },
      },
    }),
  );
  await serving(["--named-server-config", config], async (serve) => {
    const session = await Session.open(serve.named("good"));
    const text = "x".repeat(8 * 1024 * 1024);
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () =>
        await answerOf(
          await post(serve.named("deaf"), {
            ...hello({ experimental: { text } }),
          }),
        )),
    );
    for (const { message } of answers) assert(message.error, "an error each");
    assertEquals(await session.call("echo", { text: "fine" }), "fine");
  });
  Deno.removeSync(config);
});

Deno.test({
  name:
    "servers that ignore SIGTERM and stdin EOF, and what they forked, are gone within 5 s of SIGTERM under load, exit code 0",
  ignore: !unix,
  async fn() {
    await serving(
      [
        "--named-server",
        "forker",
        line(bad("--fork")),
        "--named-server",
        "holder",
        line(bad("--fork-inherit", "--ignore-sigterm")),
        "--named-server",
        "shared",
        line(bad("--ignore-sigterm")),
        "--",
        ...bad("--ignore-sigterm", "--fork"),
      ],
      async (serve) => {
        const sessions = await Promise.all(
          [
            serve.mcp,
            serve.mcp,
            ...["forker", "holder", "shared"].map((name) => serve.named(name)),
          ].map((url) => Session.open(url)),
        );
        const streams = await Promise.all(
          sessions.map((session) => session.get()),
        );
        const running = sessions.map(async (session) => {
          const { message } = await session.send(call("sleep", { ms: 60_000 }));
          return message;
        });
        for (const session of sessions) await session.call("echo");
        await until(
          "all processes",
          async () =>
            serve.pids().filter(alive).length >= 12 &&
            (await serve.server()).pids.length === 3,
        );
        const pids = serve.pids();
        const begin = performance.now();
        serve.signal("SIGTERM");
        assertEquals(await soon(serve.ended, 6000, "the end"), 0);
        const took = performance.now() - begin;
        assert(took < 5000, `it took ${took} ms`);
        assertEquals(pids.filter(alive), []);
        for (const message of await Promise.all(running)) {
          assertMatch(message.error.message, /shutting down/);
        }
        await Promise.all(streams.map((stream) => stream.cancel()));
      },
    );
  },
});

Deno.test({
  name:
    "ending a session ends what its server forked, even where that holds the pipe",
  ignore: !unix,
  async fn() {
    for (const flag of ["--fork", "--fork-inherit"]) {
      await serving(["--", ...bad(flag)], async (serve) => {
        const session = await Session.open(serve.mcp);
        const { pid, grandchild } = JSON.parse(await session.call("pid"));
        assert(alive(pid) && alive(grandchild));
        assertEquals(await session.end(), 200);
        await until("their end", () => !alive(pid) && !alive(grandchild));
        const other = await Session.open(serve.mcp);
        const second = JSON.parse(await other.call("pid"));
        const { message } = await soon(
          other.send(call("crash")),
          3000,
          "the error",
        );
        assertMatch(message.error.message, /exited with code 3/);
        await until("the grandchild's end", () => !alive(second.grandchild));
      });
    }
  },
});

Deno.test({
  name:
    "SIGINT ends it with 0; a second signal cuts the end short, with its own code, and no process stays either way",
  ignore: !unix,
  async fn() {
    await serving(["--", ...bad()], async (serve) => {
      await Session.open(serve.mcp);
      serve.signal("SIGINT");
      assertEquals(await soon(serve.ended, 5000, "the end"), 0);
    });
    for (const [signal, code] of [["SIGTERM", 143], ["SIGINT", 130]] as const) {
      await serving(
        ["--", ...bad("--ignore-sigterm", "--fork")],
        async (serve) => {
          const session = await Session.open(serve.mcp);
          await session.call("echo");
          serve.signal("SIGTERM");
          await until(
            "the beginning of the end",
            () => serve.stderr().includes("Shutting down"),
          );
          serve.signal(signal);
          assertEquals(await soon(serve.ended, 1500, "the end"), code);
          await until("their end", () => !serve.pids().some(alive), 2000);
        },
        { code },
      );
    }
  },
});

Deno.test({
  name:
    "a port in use is an error that names the port, and what was started is ended",
  async fn() {
    await serving(["--", ...bad()], async (serve) => {
      const { port } = new URL(serve.origin);
      const { code, stderr } = await run([
        "serve",
        "--port",
        port,
        "--",
        ...program(),
        "--version",
      ]);
      assertEquals(code, 1);
      assertMatch(stderr, new RegExp(`${port}: the port is in use`));
    });
  },
});
