/** Several clients on one server: nothing that is one's reaches another. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  answerOf,
  call,
  Events,
  hello,
  legacy,
  type Message,
  noted,
  post,
  request,
  type Serve,
  serving,
  Session,
  until,
} from "./kit.ts";

const shared = ["--isolation", "shared", "--", ...noted(legacy())];
const textOf = (message: Message) => message.result?.content?.[0]?.text;

/** The methods that the server has seen so far; a response counts as "". */
async function seen(session: Session): Promise<string[]> {
  return JSON.parse(await session.call("seen")).map((
    { method }: Message,
  ) => method ?? "");
}

Deno.test("1000 interleaved calls of two clients with the same ids and tokens, with sampling and elicitation in the middle", async () => {
  await serving(shared, async (serve) => {
    const users = [
      { name: "A", capability: "sampling", method: "sampling/createMessage" },
      { name: "B", capability: "elicitation", method: "elicitation/create" },
    ];
    await Promise.all(users.map(async ({ name, capability, method }) => {
      const session = await Session.open(serve.mcp, {
        capabilities: { [capability]: {} },
      });
      const general = await session.get();
      let asked = 0;
      const answer = ({ method: got, params }: Message) => {
        assertEquals(got, method);
        assertMatch(params.key, new RegExp(`^${name}`));
        asked++;
        return { by: name, key: params.key };
      };
      let next = 1;
      const work = async () => {
        for (let id = next++; id <= 500; id = next++) {
          const key = `${name}${id}`;
          const progress: number[] = [];
          const hear = ({ method, params }: Message) => {
            assertEquals(method, "notifications/progress");
            assertEquals(params.progressToken, id);
            progress.push(params.progress);
          };
          const tool = id % 5 === 0
            ? call("ask", { method, params: { key } }, id)
            : id % 5 === 1
            ? call("progress", { n: 3 }, id, { progressToken: id })
            : call("echo", { text: key }, id);
          // deno-lint-ignore no-await-in-loop -- one after the other, in several lines
          const message = await session.talk(tool, answer, hear);
          assertEquals(message.id, id);
          if (id % 5 === 0) {
            assertEquals(JSON.parse(textOf(message)), {
              result: { by: name, key },
            });
          } else if (id % 5 === 1) assertEquals(progress, [1, 2, 3]);
          else assertEquals(textOf(message), key);
        }
      };
      await Promise.all(Array.from({ length: 8 }, work));
      assertEquals(asked, 100);
      await general.cancel();
      await session.end();
    }));
    assertEquals((await serve.server()).sessions, 0);
  });
});

Deno.test("subscriptions: updates reach those who subscribed; the last to leave unsubscribes", async () => {
  await serving(shared, async (serve) => {
    const [one, two] = await Promise.all([
      Session.open(serve.mcp),
      Session.open(serve.mcp),
    ]);
    const heard: Record<string, string[]> = { one: [], two: [] };
    const streams = await Promise.all(
      Object.entries({ one, two }).map(async ([name, session]) => {
        const stream = await session.get();
        const reading = (async () => {
          for (let e = await stream.event(); e; e = await stream.event()) {
            const { method, params } = JSON.parse(e.data);
            heard[name]?.push(params?.uri ?? method);
          }
        })().catch(() => {});
        return { stream, reading };
      }),
    );
    const resource = async (session: Session, verb: string, uri: string) => {
      const { message } = await session.send(
        request(`resources/${verb}`, { uri }, 1),
      );
      assertEquals(message, { jsonrpc: "2.0", id: 1, result: {} });
    };
    const update = async (uri: string) => {
      await one.call("update", { uri });
      // What comes last shows that all before it has come.
      await one.call("touch");
      const done = (name: string) =>
        heard[name]?.at(-1) === "notifications/tools/list_changed";
      await until("the updates", () => done("one") && done("two"));
      const got = [heard["one"]?.slice(0, -1), heard["two"]?.slice(0, -1)];
      heard["one"] = [];
      heard["two"] = [];
      return got;
    };
    const a = "fixture://a", b = "fixture://b";
    await resource(one, "subscribe", a);
    await resource(two, "subscribe", a);
    await resource(two, "subscribe", b);
    assertEquals(await update(a), [[a], [a]]);
    assertEquals(await update(b), [[], [b]]);
    await resource(one, "unsubscribe", a);
    assertEquals(JSON.parse(await one.call("subscribed")), [a, b]);
    assertEquals(await update(a), [[], [a]]);
    await resource(one, "unsubscribe", b);
    assertEquals(JSON.parse(await one.call("subscribed")), [a, b]);
    await resource(two, "unsubscribe", a);
    assertEquals(JSON.parse(await one.call("subscribed")), [b]);
    assertEquals(await two.end(), 200);
    await until(
      "the release",
      async () => (await one.call("subscribed")) === "[]",
    );
    for (const { stream, reading } of streams) {
      await stream.cancel();
      await reading;
    }
  });
});

Deno.test("log levels: each client gets what it asked for, whatever the others want", async () => {
  await serving(shared, async (serve) => {
    const [quiet, plain, loud] = await Promise.all(
      [1, 2, 3].map(() => Session.open(serve.mcp)),
    ) as [Session, Session, Session];
    const set = async (session: Session, level: string) =>
      (await session.send(request("logging/setLevel", { level }))).message;
    const logs = async (session: Session, level: string) => {
      const { before, message } = await session.send(
        call("log", { n: 2, level }),
      );
      assertEquals(textOf(message), "logged 2");
      return before.length;
    };
    assertEquals((await set(quiet, "error")).result, {});
    assertEquals(await logs(quiet, "info"), 0);
    assertEquals(await logs(quiet, "error"), 2);
    assertEquals(await logs(plain, "info"), 2);
    assertEquals((await set(loud, "debug")).result, {});
    assertEquals(await logs(loud, "debug"), 2);
    assertEquals(await logs(quiet, "warning"), 0);
    await set(plain, "warning");
    await set(loud, "no-such-level");
    assertEquals(await logs(plain, "info"), 0);
    assertEquals(await logs(plain, "critical"), 2);
    assertEquals(await logs(loud, "debug"), 2);
    // Over stdio nothing tells whose a line is: of two calls that run, nobody gets it.
    const sleeping = plain.send(call("sleep", { ms: 400 }));
    await until("the call", async () => {
      const methods = await seen(quiet);
      return methods.filter((method) => method === "tools/call").length >= 9;
    });
    assertEquals(await logs(quiet, "error"), 0);
    assertEquals((await sleeping).before, []);
  });
});

Deno.test("a server's request reaches the session that caused it, or nobody and the server is told", async () => {
  await serving(shared, async (serve) => {
    const able = { capabilities: { sampling: {} } };
    const [one, two, mute] = await Promise.all([
      Session.open(serve.mcp, able),
      Session.open(serve.mcp, able),
      Session.open(serve.mcp),
    ]);
    const ask = call("ask", { method: "sampling/createMessage", params: {} });
    const never = () => {
      throw new Error("nobody should be asked");
    };
    const unanswered = JSON.parse(textOf(await mute.talk(ask, never)));
    assertEquals(unanswered.error.code, -32603);
    assertMatch(unanswered.error.message, /Cannot tell which client/);

    const sleeping = two.send(call("sleep", { ms: 600 }));
    await until(
      "the call",
      async () =>
        (await seen(mute)).filter((method) => method === "tools/call")
          .length >= 3,
    );
    const refused = JSON.parse(textOf(await one.talk(ask, never)));
    assertMatch(refused.error.message, /Cannot tell which client/);
    assertEquals((await sleeping).before, []);

    const mine = JSON.parse(textOf(await one.talk(ask, () => ({ by: "one" }))));
    assertEquals(mine, { result: { by: "one" } });
  });
});

Deno.test("an answer from another session is dropped, and so is a second one", async () => {
  await serving(shared, async (serve) => {
    const able = { capabilities: { elicitation: {} } };
    const [one, two] = await Promise.all([
      Session.open(serve.mcp, able),
      Session.open(serve.mcp, able),
    ]);
    const events = new Events(
      await one.post(
        call("ask", { method: "elicitation/create", params: {} }, 4),
      ),
    );
    const asked = await events.next();
    assertEquals(asked.method, "elicitation/create");
    assertEquals(await two.reply(asked.id, { by: "two" }), 202);
    assertEquals(await two.reply(String(asked.id), { by: "two" }), 202);
    assertEquals(await one.reply(asked.id, { by: "one" }), 202);
    assertEquals(await one.reply(asked.id, { by: "one again" }), 202);
    const [message] = await events.rest();
    assertEquals(message.id, 4);
    assertEquals(JSON.parse(textOf(message)), { result: { by: "one" } });
    const before = (await seen(two)).filter((method) => method === "").length;
    assertEquals(before, 1, "the server got one answer");
  });
});

Deno.test("a client that goes while it is asked: the server is told, and the call is cancelled", async () => {
  await serving(shared, async (serve) => {
    const able = { capabilities: { sampling: {} } };
    const [gone, other] = await Promise.all([
      Session.open(serve.mcp, able),
      Session.open(serve.mcp),
    ]);
    const events = new Events(
      await gone.post(
        call("ask", { method: "sampling/createMessage", key: "asking" }, 1),
      ),
    );
    await events.next();
    assertEquals(await gone.end(), 200);
    await until("the answer", async () => (await seen(other)).includes(""));
    const [cancelled] = JSON.parse(await other.call("cancelled"));
    assertEquals(cancelled.key, "asking");
    await events.cancel();
  });
});

Deno.test("\"1\" and 1 are two ids; cancelling one client's 7 leaves the other's", async () => {
  await serving(shared, async (serve) => {
    const [one, two] = await Promise.all([
      Session.open(serve.mcp),
      Session.open(serve.mcp),
    ]);
    const ids = [1, "1", 'a"b\\ü\u2028', 1.5, -3, ""];
    const answers = await Promise.all(
      ids.map((id) => one.send(call("sleep", { ms: 100 }, id))),
    );
    assertEquals(answers.map(({ message }) => message.id), ids);
    const exact = await one.post(
      '{"jsonrpc":"2.0","id":12345678901234567890,"method":"ping"}',
    );
    assertEquals(
      await exact.text(),
      '{"jsonrpc":"2.0","id":12345678901234567890,"result":{}}',
    );

    const mine = one.send(call("sleep", { ms: 60_000, key: "mine" }, 7));
    const other = two.send(call("sleep", { ms: 700, key: "other" }, 7));
    await until("both", async () => {
      const methods = await seen(two);
      return methods.filter((method) => method === "tools/call").length >= 9;
    });
    assertEquals(
      await one.tell("notifications/cancelled", { requestId: "7" }),
      202,
    );
    assertEquals(JSON.parse(await two.call("cancelled")), []);
    await one.tell("notifications/cancelled", {
      requestId: 7,
      reason: "bored",
    });
    const { status, message } = await mine;
    assertEquals([status, message.id], [200, 7]);
    assertMatch(message.error.message, /cancelled/);
    const list = JSON.parse(await two.call("cancelled"));
    assertEquals(list.length, 1);
    assertEquals([list[0].key, list[0].reason], ["mine", "bored"]);
    assertEquals(textOf((await other).message), "slept 700");
  });
});

Deno.test("each client of a shared server gets the version it asked for, and the server's own words", async () => {
  await serving(shared, async (serve) => {
    for (
      const version of ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]
    ) {
      // deno-lint-ignore no-await-in-loop -- the first one makes the session with the server
      const response = await post(serve.mcp, hello({}, version, "x"));
      // deno-lint-ignore no-await-in-loop -- as above
      const text = await response.text();
      const { id, result } = JSON.parse(text);
      assertEquals([id, result.protocolVersion], ["x", version]);
      assertEquals(result.serverInfo["x-unknown"], true);
      assert(text.includes('"big":12345678901234567890'), text);
    }
    const unknown = await answerOf(
      await post(serve.mcp, hello({}, "1999-01-01")),
    );
    assertEquals(unknown.message.result.protocolVersion, "2025-11-25");
  });
});

Deno.test("a session belongs to the token that opened it: to any other it does not exist", async () => {
  const args = ["--auth-token", "one", "--auth-token", "two", ...shared];
  await serving(args, async (serve: Serve) => {
    const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
    const session = await Session.open(serve.mcp, { headers: bearer("one") });
    const thief = new Session(
      serve.mcp,
      { ...session.headers, ...bearer("two") },
      session.first,
    );
    assertEquals((await thief.send(call("echo"))).status, 404);
    assertEquals(await thief.end(), 404);
    const get = await fetch(serve.mcp, {
      headers: { ...thief.headers, accept: "text/event-stream" },
    });
    assertEquals([
      get.status,
      await get.text().then(JSON.parse).then((m) => m.error.message),
    ], [404, "Session not found"]);
    const stream = new Events(
      await fetch(`${serve.origin}/sse`, { headers: bearer("one") }),
    );
    const url = serve.origin + (await stream.event())?.data;
    const sent = async (token: string) => {
      const response = await post(url, request("ping"), bearer(token));
      return [response.status, await response.text()];
    };
    assertEquals(await sent("two"), [404, "Could not find session"]);
    assertEquals(await sent("one"), [202, "Accepted"]);
    await stream.cancel();
    assertEquals(await session.call("echo", { text: "mine" }), "mine");
  });
});
