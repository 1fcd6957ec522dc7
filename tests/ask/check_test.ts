/** `ask --check`: what works, what does not, and an exit code. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  error,
  hangUp,
  overloaded,
  page,
  silence,
} from "../fixtures/fake_answers.ts";
import {
  type Behaviour,
  FAKE_KEY,
  type FakeMessages,
  startFakeMessages,
} from "../fixtures/fake_messages.ts";
import { Ask, settings, until } from "./kit.ts";

/** Runs the check, with its stdin left open; latencies are `N`. */
async function check(
  fake: FakeMessages,
  args: string[] = [],
  env: Record<string, string> = {},
): Promise<{ code: number; stderr: string }> {
  await using ask = new Ask(
    ["--check", ...args],
    { ...settings(fake), ...env },
    "ask",
  );
  const code = await ask.ended();
  assertEquals(ask.lines, [], "stdout is for the protocol");
  assert(!ask.stderr.includes(FAKE_KEY));
  return {
    code,
    stderr: ask.stderr.replace(/\d+(?= ms\n)/, "N"),
  };
}

Deno.test("--check makes one tiny call and tells what works", async () => {
  const fake = await startFakeMessages();
  assertEquals(await check(fake), {
    code: 0,
    stderr: `URL      ${fake.url}/v1/messages answers
Key      is accepted (CLAUDE_MCP_API_KEY in x-api-key)
Model    claude-sonnet-4-5 answers as claude-sonnet-4-5-20250929
Latency  N ms
`,
  });
  assertEquals(fake.asked.map(({ body }) => body), [{
    model: "claude-sonnet-4-5",
    max_tokens: 1,
    messages: [{ role: "user", content: "Hi" }],
  }]);
  await fake.close();
});

Deno.test("--check tells what does not work", async (t) => {
  const cases: {
    what: string;
    behaviour?: Behaviour;
    args?: string[];
    env?: Record<string, string>;
    says: RegExp[];
  }[] = [
    {
      what: "a model that does not exist",
      args: ["--model", "nope"],
      says: [
        /^URL .* answers$/m,
        /^Key +is accepted/m,
        /^Model +nope does not exist there$/m,
        /^mcp-proxy: http\S+ answered 404 not_found_error: model: nope/m,
      ],
    },
    {
      what: "a key that is refused",
      env: { CLAUDE_MCP_API_KEY: "sk-wrong-one", CLAUDE_MCP_AUTH: "bearer" },
      says: [
        /^URL .* answers$/m,
        /^Key +is refused \(CLAUDE_MCP_API_KEY in Authorization\)$/m,
        /answered 401 authentication_error: invalid x-api-key: \*\*\* /,
      ],
    },
    {
      what: "an address where something else is",
      behaviour: page(404, "text/html", "<h1>Not here</h1>"),
      says: [
        /^URL .* is no Messages API$/m,
        /^Key +is not known to work/m,
        /answered 404 with text\/html: "Not here"/,
      ],
    },
    {
      what: "a server that hangs up",
      behaviour: hangUp,
      says: [
        /^URL .* gives no answer$/m,
        /^mcp-proxy: The connection to \S+ broke: /m,
      ],
    },
    {
      what: "a server that says nothing",
      behaviour: silence,
      args: ["--timeout", "1s"],
      says: [
        /^URL .* gives no answer$/m,
        /^mcp-proxy: No answer from \S+ within the timeout of 1000 ms/m,
      ],
    },
    {
      what: "an overload, without another attempt",
      behaviour: overloaded,
      says: [
        /^URL .* answers$/m,
        /^Model .* is not known to work$/m,
        /answered 529 overloaded_error: Overloaded \(request-id req_1\); try again later$/m,
      ],
    },
    {
      what: "a model that may not be used",
      behaviour: error(403, "permission_error", "Not this one"),
      says: [
        /^Key +is refused/m,
        /answered 403 permission_error: Not this one/,
      ],
    },
  ];
  for (const { what, behaviour, args, env, says } of cases) {
    await t.step(what, async () => {
      const fake = await startFakeMessages(behaviour && { behaviour });
      const { code, stderr } = await check(fake, args, env);
      assertEquals(code, 1, stderr);
      for (const text of says) assertMatch(stderr, text);
      assertEquals(fake.asked.length, 1);
      await fake.close();
    });
  }
});

Deno.test({
  name: "--check ends at a signal",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const fake = await startFakeMessages({ behaviour: silence });
    await using ask = new Ask(["--check"], settings(fake), "ask");
    await until("the API is asked", () => fake.asked.length === 1);
    ask.kill("SIGINT");
    assertEquals(await ask.ended(), 1);
    await fake.close();
  },
});
