/** The host's end of a bridge: bad lines, the end of stdin, signals, a host that does not read. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../program.ts";
import { startRemote } from "../fixtures/remote_server.ts";
import { Bridge, INITIALIZE, textOf, until } from "./kit.ts";

const unix = Deno.build.os !== "windows";

async function withRemote(
  test: (
    bridge: Bridge,
    remote: ReturnType<typeof startRemote>,
  ) => Promise<void>,
): Promise<void> {
  const remote = startRemote();
  try {
    await using bridge = new Bridge([remote.url]);
    await test(bridge, remote);
  } finally {
    await remote.close();
  }
}

Deno.test("a line that is no message gets an error, and the session goes on", () =>
  withRemote(async (bridge) => {
    await bridge.initialize();
    const cases: [string, unknown, number][] = [
      ["hello", null, -32700],
      ['{"jsonrpc":"2.0","id":5,"method":"tools/list"', null, -32700],
      ["[]", null, -32600],
      ['[{"jsonrpc":"2.0","id":1,"method":"ping"}]', null, -32600],
      [
        '{"jsonrpc":"2.0","id":6,"method":"tools/call","params":[1]}',
        6,
        -32600,
      ],
      ['{"jsonrpc":"2.0","id":7,"method":3}', 7, -32600],
      ['{"jsonrpc":"2.0","id":null,"method":"ping"}', null, -32600],
      ["42", null, -32600],
    ];
    for (const [line, id, code] of cases) {
      await bridge.raw(`${line}\n`);
      const error = await bridge.other((message) =>
        message.error !== undefined
      );
      assertEquals([error.id, error.error.code], [id, code], line);
    }
    await bridge.raw("\n\r\n  \n");
    assertEquals(textOf(await bridge.call("echo", { text: "on" })), "on");
  }));

Deno.test("an id that is in use is refused, and the first request gets its answer", () =>
  withRemote(async (bridge) => {
    await bridge.initialize();
    const call = {
      id: 9,
      method: "tools/call",
      params: { name: "sleep", arguments: { ms: 200 } },
    };
    await bridge.send(call);
    await bridge.send(call);
    const [refused, answered] = [await bridge.other(), await bridge.other()];
    assertEquals([refused.id, refused.error.code], [9, -32600]);
    assertEquals(textOf(answered), "slept 200");
  }));

Deno.test("batches are accepted where 2025-03-26 was agreed on", () =>
  withRemote(async (bridge) => {
    await bridge.initialize({ ...INITIALIZE, protocolVersion: "2025-03-26" });
    const answers = [bridge.answer("a"), bridge.answer("b")];
    await bridge.raw(
      '[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","id":"b","method":"tools/list"}]\n',
    );
    const [a, b] = await Promise.all(answers);
    assertEquals(a.result, {});
    assert(b.result.tools.length > 0);
  }));

Deno.test("the end of stdin ends the remote session and the program, with 0", () =>
  withRemote(async (bridge, remote) => {
    await bridge.initialize();
    await until("the stream", () => remote.openStreams() === 1);
    assertEquals(await bridge.close(), 0);
    assertEquals(remote.count("DELETE"), 1);
    assertEquals(remote.sessions(), []);
    await until("the end of the streams", () => remote.openStreams() === 0);
  }));

Deno.test("who pipes requests in gets the answers out", async () => {
  const remote = startRemote();
  try {
    const lines = [
      { id: 1, method: "initialize", params: INITIALIZE },
      { method: "notifications/initialized" },
      {
        id: 2,
        method: "tools/call",
        params: { name: "echo", arguments: { text: "piped" } },
      },
    ];
    const text = lines.map((line) =>
      `${JSON.stringify({ jsonrpc: "2.0", ...line })}\n`
    ).join("");
    const { code, stdout } = await run([
      "bridge",
      "--log-level",
      "error",
      remote.url,
    ], text);
    assertEquals(code, 0);
    assertMatch(stdout, /"id":2,"result":.*piped/);
    assertEquals(remote.sessions(), []);
  } finally {
    await remote.close();
  }
});

Deno.test("the end of stdin does not wait for a call that never ends", () =>
  withRemote(async (bridge, remote) => {
    await bridge.initialize();
    remote.fail({ hang: true }, {
      when: ({ frame }) => frame?.method === "tools/call",
    });
    await bridge.send({
      id: "x",
      method: "tools/call",
      params: { name: "echo" },
    });
    await until("the call", () => remote.count("tools/call") === 1);
    const begun = performance.now();
    assertEquals(await bridge.close(), 0);
    assert(performance.now() - begun < 4000);
    assertEquals(remote.count("DELETE"), 1);
  }));

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends the remote session and the program, with 0`, {
    ignore: !unix,
  }, () =>
    withRemote(async (bridge, remote) => {
      await bridge.initialize();
      bridge.kill(signal);
      assertEquals(await bridge.ended(), 0);
      assertEquals(remote.sessions(), []);
    }));
}

Deno.test(
  "SIGTERM ends a bridge whose remote is down",
  { ignore: !unix },
  () =>
    withRemote(async (bridge, remote) => {
      await bridge.initialize();
      await remote.stop();
      bridge.kill("SIGTERM");
      assertEquals(await bridge.ended(6000), 0);
    }),
);

Deno.test("a host that does not read cannot keep the program from ending", {
  ignore: !unix,
}, async () => {
  const remote = startRemote();
  const [file = "", ...args] = (await import("../program.ts")).program();
  const child = new Deno.Command(file, {
    args: [...args, "bridge", remote.url],
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  try {
    const writer = child.stdin.getWriter();
    const say = (message: unknown) =>
      writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
    await say({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: INITIALIZE,
    });
    await until("the session", () => remote.sessions().length === 1);
    // Far more than a pipe holds.
    for (let id = 2; id < 12; id++) {
      await say({
        jsonrpc: "2.0",
        id,
        method: "tools/call",
        params: { name: "big", arguments: { size: 1_000_000 } },
      });
    }
    await until("the calls", () => remote.count("tools/call") === 10);
    child.kill("SIGTERM");
    const { code } = await child.status;
    assertEquals(code, 0);
    assertEquals(remote.sessions(), []);
    await writer.close().catch(() => {});
    await child.stdout.cancel();
  } finally {
    await remote.close();
  }
});
