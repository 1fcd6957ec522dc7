/** The supervisor of one server, with real processes that are as light as can be. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { Server } from "../../lib/upstream/server.ts";
import { Backoff } from "../../lib/upstream/backoff.ts";
import type { ClientLeg } from "../../lib/wire/leg.ts";
import { frameOf, Way } from "../relay/kit.ts";

const ignore = Deno.build.os === "windows";
const nobody: ClientLeg = { push() {}, close() {} };

/** Says yes to everything. */
const YES = `while read -r l; do
  case $l in
    *'"method":"die"'*) exit 7;;
    *'"id":'*) i=\${l#*'"id":'}; echo '{"jsonrpc":"2.0","id":'"\${i%%[,\\}]*}"',"result":{}}';;
  esac
done`;

function serverOf(
  script: string,
  isolation: "session" | "shared" = "session",
): Server {
  return new Server(
    {
      name: "s",
      kind: "stdio",
      command: "sh",
      args: ["-c", script],
      env: {},
    },
    {
      isolation,
      env: { PATH: Deno.env.get("PATH") ?? "" },
      connect: () => {
        throw new Error("remote");
      },
    },
  );
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!condition()) {
    assert(performance.now() < end, `${condition} within 5 s`);
    // deno-lint-ignore no-await-in-loop -- waiting is the point
    await new Promise((done) => setTimeout(done, 10));
  }
}

Deno.test({
  name:
    "one process is kept warm: a session takes it, and another one is started behind it",
  ignore,
  async fn() {
    const server = serverOf(YES);
    server.start();
    const [warm] = server.pids;
    const one = await server.session(nobody);
    assertEquals(server.pids, [warm]);
    await until(() => server.pids.length === 2);
    one.leave();
    await until(() => server.pids.length === 1);
    assert(!server.pids.includes(warm ?? 0));
    await server.close();
    assertEquals([server.pids, server.state], [[], "closed"]);
    await assertRejects(() => server.session(nobody), Error, "shutting down");
  },
});

Deno.test({
  name:
    "callers without a session are one client of the server, however many they are",
  ignore,
  async fn() {
    const server = serverOf(YES);
    const receivers = await Promise.all(
      Array.from({ length: 100 }, () => server.shared()),
    );
    assertEquals(new Set(receivers).size, 1);
    assertEquals(server.pids.length, 1);
    await server.close();
  },
});

Deno.test({
  name:
    "a server that dies at once is failed, is asked less and less often, and says when",
  ignore,
  async fn() {
    const server = serverOf("echo oh no >&2; exit 3");
    const states: string[] = [];
    server.onstate = () => states.push(server.state);
    server.start();
    await until(() => states.length > 0);
    assertEquals(states, ["failed"]);
    assertMatch(server.lastError, /^Server "s" exited with code 3.*oh no$/);
    const error = await assertRejects(() => server.session(nobody), Error);
    assertMatch(error.message, /exited with code 3.*tried again in 1 s/);
    await server.close();
  },
});

Deno.test({
  name:
    "an exclusive process that dies ends its session with the reason; a shared one is replaced",
  ignore,
  async fn() {
    let told = "";
    const alone = serverOf(YES);
    const session = await alone.session({
      push() {},
      close: (reason) => void (told = reason),
    });
    const way = new Way();
    session.request(frameOf({ jsonrpc: "2.0", id: 1, method: "die" }), way);
    await until(() => told !== "");
    assertMatch(told, /"s" exited with code 7/);
    assertMatch(way.response.error.message, /exited with code 7/);
    await alone.close();

    const shared = serverOf(YES, "shared");
    const receiver = await shared.session(nobody);
    const ask = async (method: string) => {
      const way = new Way();
      receiver.request(
        frameOf({ jsonrpc: "2.0", id: method, method, params: {} }),
        way,
      );
      await until(() => way.texts.length > 0);
      return way.response;
    };
    assertEquals((await ask("initialize")).result, {});
    const [first] = shared.pids;
    assert((await ask("die")).error);
    await until(() => shared.pids.length === 1 && shared.pids[0] !== first);
    assertEquals((await ask("tools/list")).result, {});
    assertEquals(shared.restarts, 1);
    await shared.close();
  },
});

Deno.test({
  name:
    "a server that never answers is not taken for a legacy one, and nothing stays of the question",
  ignore,
  async fn() {
    const server = new Server(
      {
        name: "s",
        kind: "stdio",
        command: "cat",
        args: ["/dev/fd/3"],
        env: {},
        timeoutMs: 100,
      },
      {
        isolation: "session",
        env: { PATH: Deno.env.get("PATH") ?? "" },
        connect: () => {
          throw new Error("remote");
        },
      },
    );
    await assertRejects(() => server.modern(), Error);
    assertEquals(server.era, undefined);
    await until(() => server.pids.length === 0);
    const silent = new Server(
      {
        name: "s",
        kind: "stdio",
        command: "sleep",
        args: ["100"],
        env: {},
        timeoutMs: 100,
      },
      {
        isolation: "session",
        env: { PATH: Deno.env.get("PATH") ?? "" },
        connect: () => {
          throw new Error("remote");
        },
      },
    );
    const error = await assertRejects(() => silent.modern(), Error);
    assertMatch(error.message, /gave no answer/);
    assertEquals(silent.era, undefined);
    await until(() => silent.pids.length === 0);
    await Promise.all([server.close(), silent.close()]);
  },
});

Deno.test("the wait doubles with each failure up to half a minute, and is forgotten with a success", () => {
  const backoff = new Backoff();
  assertEquals(backoff.wait, 0);
  const waits = Array.from({ length: 20 }, () => {
    backoff.fail();
    return Math.round(backoff.wait / 250);
  });
  assertEquals(waits.slice(0, 4), [1, 2, 4, 8]);
  assertEquals(Math.max(...waits), 120);
  backoff.succeed();
  assertEquals([backoff.wait, backoff.failures], [0, 0]);
});

Deno.test({
  name: "a server that closes its stdin and stays is ended, and its calls fail",
  ignore,
  async fn() {
    const server = serverOf(
      'read -r l; exec 0<&-; echo \'{"jsonrpc":"2.0","id":1,"result":{}}\'; sleep 60 </dev/null',
    );
    const receiver = await server.session(nobody);
    const ask = async (id: number) => {
      const way = new Way();
      receiver.request(frameOf({ jsonrpc: "2.0", id, method: "a" }), way);
      await until(() => way.texts.length > 0);
      return way.response;
    };
    assertEquals((await ask(1)).result, {});
    assertMatch((await ask(2)).error.message, /"s" was ended by SIGTERM/);
    await server.close();
  },
});
