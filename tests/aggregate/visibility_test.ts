/** Who sees what: three tokens, five servers, filters on two. Each token sees its own, and nothing else by any way. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  call,
  Events,
  type Message,
  modernPost,
  request,
  type Session,
  until,
} from "../serve/kit.ts";
import {
  type Aggregate,
  aggregating,
  ask,
  askModern,
  bearer,
  configOf,
  heardOf,
  legacyEntry,
  modernEntry,
  names,
  open,
  say,
} from "./kit.ts";

const LETTERS = {
  mode: "allow",
  list: ["e*", "pid", "update", "log", "touch"],
};
const NO_ENV = { mode: "block", list: ["env", "cwd"] };

const OPTIONS: Record<string, Message> = {
  anyone: { authTokens: [] },
  red: { authTokens: ["R"], toolFilter: LETTERS },
  blue: { authTokens: ["B"] },
  both: { authTokens: ["R", "B"], toolFilter: NO_ENV },
  green: { authTokens: ["G"] },
};
const SEEN: Record<string, string[]> = {
  "": ["anyone"],
  R: ["anyone", "red", "both"],
  B: ["anyone", "blue", "both"],
  G: ["anyone", "green"],
};
const ALL = Object.keys(OPTIONS);
const FILTERED: Record<string, string[]> = {
  red: ["sleep", "crash", "cwd"],
  both: ["env", "cwd"],
};
const tokenOf = (key: string) => key === "" ? undefined : key;

const servers = (make: typeof legacyEntry) =>
  configOf(Object.fromEntries(ALL.map((name) => [name, make(OPTIONS[name])])));

const owners = (
  listed: string[],
) => [...new Set(listed.map((name) => name.split("__")[0]))];

/** The URI of a resource of each server, as it is when all of them have the same. */
const uriOf = (name: string) =>
  name === "anyone" ? "fixture://a" : `${name}+fixture://a`;

async function everyone(
  aggregate: Aggregate,
  test: (key: string, seen: string[], hidden: string[]) => Promise<void>,
): Promise<void> {
  await until("all are up", async () => {
    const states = await Promise.all(
      Object.keys(SEEN).map((key) => aggregate.status(tokenOf(key))),
    );
    return states.every(({ servers }) =>
      Object.values(servers).every((one) =>
        (one as Message).state === "running"
      )
    );
  });
  for (const [key, seen] of Object.entries(SEEN)) {
    await test(key, seen, ALL.filter((name) => !seen.includes(name)));
  }
}

Deno.test("legacy clients: lists, calls, prompts, resources, completion, subscriptions", () =>
  aggregating(servers(legacyEntry), async (aggregate) => {
    // All names and URIs are given once, so that a guess would find them.
    for (const key of ["", "R", "B", "G"]) {
      const one = await open(aggregate.mcp, tokenOf(key));
      for (const kind of ["tools", "prompts", "resources"] as const) {
        await names(one, kind);
      }
    }
    await everyone(aggregate, async (key, seen, hidden) => {
      const session = await open(aggregate.mcp, tokenOf(key));
      const tools = await names(session, "tools");
      assertEquals(owners(tools), seen);
      assertEquals(owners(await names(session, "prompts")), seen);
      for (const name of seen) {
        for (const tool of FILTERED[name] ?? []) {
          assert(!tools.includes(`${name}__${tool}`));
          await refused(session, call(`${name}__${tool}`));
        }
      }
      const uris = await names(session, "resources");
      assertEquals(uris.length, 3 * seen.length);
      for (const name of hidden) {
        await refused(session, call(`${name}__echo`));
        await refused(session, get(`${name}__greet`));
        await refused(session, complete(`${name}__greet`));
        if (!uris.includes(uriOf(name))) {
          await refused(
            session,
            request("resources/read", { uri: uriOf(name) }),
          );
          const subscribe = { uri: uriOf(name) };
          await session.send(request("resources/subscribe", subscribe));
        }
      }
      const instructions = session.first.message.result.instructions;
      for (const name of ALL) {
        assertEquals(instructions.includes(`# ${name}\n`), seen.includes(name));
      }
    });
  }));

Deno.test("legacy clients hear nothing of servers that are not theirs", () =>
  aggregating(servers(legacyEntry), async (aggregate) => {
    await everyone(aggregate, async () => {});
    const red = await open(aggregate.mcp, "R");
    const green = await open(aggregate.mcp, "G");
    await names(green, "resources");
    await names(red, "resources");
    await ask(green, "logging/setLevel", { level: "debug" });
    await ask(green, "resources/subscribe", { uri: "fixture://b" });
    const heard = await green.get(), other = await red.get();
    await Promise.all([
      settle(green, heard, "green"),
      settle(red, other, "red"),
    ]);
    await say(red, "red__touch", { list: "prompts" });
    await say(red, "both__update", { uri: "fixture://b" });
    await say(red, "both__log", { n: 3 });
    await heardOf(other, "notifications/prompts/list_changed");
    await say(green, "green__touch", { list: "tools" });
    const before = await heardOf(heard, "notifications/tools/list_changed");
    for (const method of before) {
      assertMatch(method, /resources\/list_changed$/);
    }
    await heard.cancel();
    await other.cancel();
  }));

/** What has to do with the start is over when something later has been told more often than anything was then. */
async function settle(session: Session, stream: Events, name: string) {
  for (let round = 0; round < 12; round++) {
    await say(session, `${name}__touch`, { list: "resources" });
    await heardOf(stream, "notifications/resources/list_changed");
  }
}

Deno.test("modern clients: lists, calls, prompts, resources, completion, subscriptions", () =>
  aggregating(servers(modernEntry), async (aggregate) => {
    const headers = (key: string) => ({ headers: bearer(tokenOf(key)) });
    const modern = (key: string, method: string, params: Message = {}) =>
      askModern(aggregate.mcp, method, params, headers(key));
    for (const key of ["", "R", "B", "G"]) {
      for (const method of ["tools/list", "prompts/list", "resources/list"]) {
        await modern(key, method);
      }
    }
    await everyone(aggregate, async (key, seen, hidden) => {
      const { result } = await modern(key, "tools/list");
      const tools = result.tools.map(({ name }: Message) => name);
      assertEquals(owners(tools), seen);
      assertEquals(result.cacheScope, "private");
      const { resources } = (await modern(key, "resources/list")).result;
      assertEquals(resources.length, 3 * seen.length);
      for (const name of seen) {
        for (const tool of FILTERED[name] ?? []) {
          const params = { name: `${name}__${tool}` };
          assert((await modern(key, "tools/call", params)).error);
        }
      }
      for (const name of hidden) {
        const echo = { name: `${name}__echo` };
        assert((await modern(key, "tools/call", echo)).error);
        const greet = { name: `${name}__greet`, arguments: { who: "x" } };
        assert((await modern(key, "prompts/get", greet)).error);
        const { method, params } = complete(`${name}__greet`);
        assert((await modern(key, method, params)).error);
        const uri = uriOf(name);
        assert((await modern(key, "resources/read", { uri })).error);
        const stream = new Events(
          await modernPost(
            aggregate.mcp,
            request("subscriptions/listen", {
              notifications: { resourceSubscriptions: [uri] },
            }),
            headers(key),
          ),
        );
        const { params: { notifications } } = await stream.next();
        assertEquals(notifications.resourceSubscriptions, []);
        await stream.cancel();
      }
    });
  }));

Deno.test("routes, status and page show each caller only what is theirs", () =>
  aggregating(servers(legacyEntry), async (aggregate) => {
    await everyone(aggregate, async (key, seen, hidden) => {
      const headers = bearer(tokenOf(key));
      const { servers } = await aggregate.status(tokenOf(key));
      assertEquals(Object.keys(servers), seen);
      const page = await fetch(`${aggregate.origin}/`, { headers });
      const html = await page.text();
      for (const name of ALL) {
        assertEquals(html.includes(`/${name}/mcp`), seen.includes(name), name);
      }
      for (const secret of ['"R"', '"B"', '"G"', "Bearer R"]) {
        assert(!html.includes(secret));
      }
      for (const name of hidden) {
        const { status, body } = await fetch(aggregate.named(name), {
          headers,
        });
        await body?.cancel();
        assertEquals(status, 401);
      }
    });
    const { status, body } = await fetch(`${aggregate.origin}/status`, {
      headers: bearer("nobody"),
    });
    await body?.cancel();
    assertEquals(status, 401);
    assert(!aggregate.stderr().includes("Bearer"));
  }));

async function refused(session: Session, message: Message): Promise<void> {
  const { message: answer } = await session.send(message);
  assert(answer.error, `${JSON.stringify(message)}: ${JSON.stringify(answer)}`);
}

const get = (name: string) =>
  request("prompts/get", { name, arguments: { who: "x" } });

const complete = (name: string) =>
  request("completion/complete", {
    ref: { type: "ref/prompt", name },
    argument: { name: "who", value: "x" },
  });
