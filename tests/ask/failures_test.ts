/** What a caller is told when the API does not answer, and what is tried before. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  answer,
  error,
  hangUp,
  overloaded,
  page,
  rateLimited,
  silence,
} from "../fixtures/fake_answers.ts";
import type { Behaviour } from "../fixtures/fake_messages.ts";
import { Ask, assertClean, failure, withAsk } from "./kit.ts";

const ONCE = { env: { CLAUDE_MCP_MAX_RETRIES: "0" } };
const html =
  "<html><head><title>502</title><style>b { color: red }</style></head>\n" +
  "<body><h1>Bad gateway</h1><script>alert(1)</script></body></html>";

const json = (status: number, body: unknown): Behaviour => (call) =>
  call.json(status, body);

// What follows the URL of the API in the text of the result.
const TOLD: [what: string, behaviour: Behaviour, text: string][] = [
  [
    "400",
    error(400, "invalid_request_error", "max_tokens: 65536 > 8192"),
    "answered 400 invalid_request_error: max_tokens: 65536 > 8192 (request-id req_1)",
  ],
  [
    "401, for a key that is refused",
    error(401, "authentication_error", "invalid x-api-key"),
    "answered 401 authentication_error: invalid x-api-key (request-id req_1); check CLAUDE_MCP_API_KEY, and CLAUDE_MCP_AUTH for how it is sent",
  ],
  [
    "403",
    error(403, "permission_error", "Not for you"),
    "answered 403 permission_error: Not for you (request-id req_1); check what CLAUDE_MCP_API_KEY is allowed to do",
  ],
  [
    "413",
    error(413, "request_too_large", "Request exceeds the maximum size"),
    "answered 413 request_too_large: Request exceeds the maximum size (request-id req_1); send less text",
  ],
  [
    "429",
    rateLimited("7"),
    "answered 429 rate_limit_error: This request would exceed your rate limit (request-id req_1); try again in 7 s",
  ],
  [
    "500",
    error(500, "api_error", "Internal server error"),
    "answered 500 api_error: Internal server error (request-id req_1); try again later",
  ],
  [
    "529",
    overloaded,
    "answered 529 overloaded_error: Overloaded (request-id req_1); try again later",
  ],
  [
    "a gateway's page",
    page(502, "text/html; charset=utf-8", html),
    'answered 502 with text/html: "502 Bad gateway" (request-id req_1); try again later',
  ],
  [
    "an error without a body",
    page(503, "", ""),
    "answered 503 with no content type (request-id req_1); try again later",
  ],
  [
    "an error as another gateway writes it",
    json(400, { error: { message: "No such team", code: "x" } }),
    "answered 400: No such team (request-id req_1)",
  ],
  [
    "an error as a text",
    json(404, { error: "no route" }),
    "answered 404: no route (request-id req_1); check the model (CLAUDE_MCP_MODEL) and CLAUDE_MCP_BASE_URL",
  ],
  [
    "an error as a detail",
    json(422, { detail: "unprocessable" }),
    "answered 422: unprocessable (request-id req_1)",
  ],
  [
    "a long error",
    error(400, "invalid_request_error", "x".repeat(5000)),
    `answered 400 invalid_request_error: ${
      "x".repeat(300)
    }… (request-id req_1)`,
  ],
  [
    "a page instead of an answer",
    page(200, "text/html", html),
    'answered 200 with text/html, not JSON: "502 Bad gateway"; check that CLAUDE_MCP_BASE_URL is the address of a Messages API',
  ],
  [
    "plain text instead of an answer",
    page(200, "text/plain", "It works!"),
    'answered 200 with text/plain, not JSON: "It works!"; check that CLAUDE_MCP_BASE_URL is the address of a Messages API',
  ],
  [
    "nothing at all",
    page(200, "application/json", ""),
    "answered 200 with application/json, not JSON; check that CLAUDE_MCP_BASE_URL is the address of a Messages API",
  ],
  [
    "another API's answer",
    json(200, { choices: [] }),
    'answered 200 with JSON that is no message: "{"choices":[]}"; check that CLAUDE_MCP_BASE_URL is the address of a Messages API',
  ],
  [
    "an error that claims success",
    json(200, {
      type: "error",
      error: { type: "overloaded_error", message: "Overloaded" },
    }),
    "answered 200 with overloaded_error: Overloaded (request-id req_1); try again later",
  ],
  [
    "a status that means nothing here",
    page(304, "", ""),
    "answered 304 with no content type (request-id req_1)",
  ],
];

Deno.test("a failure of the API is told with status, type, message, request id and remedy", async (t) => {
  for (const [what, behaviour, text] of TOLD) {
    await t.step(what, () =>
      withAsk(async (ask, fake) => {
        const told = failure(await ask.ask({ prompt: "Hi" }));
        assertEquals(told, `${fake.url}/v1/messages ${text}`);
        assertEquals(fake.asked.length, 1);
      }, { ...ONCE, behaviour }));
  }
});

Deno.test("a model that does not exist and a key that is refused are told", async (t) => {
  await t.step("the model", () =>
    withAsk(async (ask, fake) => {
      assertEquals(
        failure(await ask.ask({ prompt: "Hi", model: "claude-nope" })),
        `${fake.url}/v1/messages answered 404 not_found_error: model: claude-nope (request-id req_1); check the model (CLAUDE_MCP_MODEL) and CLAUDE_MCP_BASE_URL`,
      );
    }));
  await t.step("the key", () =>
    withAsk(async (ask, fake) => {
      // The fake repeats the key that it was given.
      assertEquals(
        failure(await ask.ask({ prompt: "Hi" })),
        `${fake.url}/v1/messages answered 401 authentication_error: invalid x-api-key: *** (request-id req_1); check CLAUDE_MCP_API_KEY, and CLAUDE_MCP_AUTH for how it is sent`,
      );
      assert(!ask.stderr.includes("sk-wrong"));
    }, { env: { CLAUDE_MCP_API_KEY: "sk-wrong-one" } }));
});

Deno.test("a stream that goes wrong is told", async (t) => {
  const cases: [what: string, behaviour: Behaviour, text: RegExp][] = [
    [
      "cut in the middle",
      answer({
        text: "one two three four five",
        fault: { after: 3, as: "cut" },
      }),
      /^The answer of \S+\/v1\/messages broke off after about 3 tokens: .+; ask again$/,
    ],
    [
      "ended too early",
      answer({
        text: "one two three four five",
        fault: { after: 3, as: "end" },
      }),
      /^The answer of \S+ broke off after about 3 tokens: it ended too early; ask again$/,
    ],
    [
      "an error in the middle",
      answer({
        fault: {
          after: 2,
          as: { type: "overloaded_error", message: "Overloaded" },
        },
      }),
      /^\S+ answered 200 and then sent overloaded_error: Overloaded \(request-id req_1\); try again later$/,
    ],
    [
      "an event that is no JSON",
      (call) => {
        call.begin("text/event-stream");
        call.write("data: {oops\n\n");
        call.end();
      },
      /^\S+ answered 200 with an event that is not JSON$/,
    ],
  ];
  for (const [what, behaviour, text] of cases) {
    await t.step(what, () =>
      withAsk(async (ask, fake) => {
        const told = failure(
          await ask.ask({ prompt: "Hi" }, { progressToken: 1 }),
        );
        assertMatch(told, text);
        assertEquals(fake.asked.length, 1, "what has begun is not asked again");
      }, { behaviour }));
  }
});

Deno.test("a connection that breaks is told, and so is one that is not to be had", async (t) => {
  await t.step("at once", () =>
    withAsk(async (ask) => {
      assertMatch(
        failure(await ask.ask({ prompt: "Hi" })),
        /^The connection to http:\S+\/v1\/messages broke: .+; ask again$/,
      );
    }, { ...ONCE, behaviour: hangUp }));
  await t.step("in the middle of a whole answer", () =>
    withAsk(async (ask) => {
      assertMatch(
        failure(await ask.ask({ prompt: "Hi" })),
        /^The connection to http:\S+\/v1\/messages broke: .+; ask again$/,
      );
    }, { ...ONCE, behaviour: answer({ fault: { after: 0, as: "cut" } }) }));
  await t.step("refused", () =>
    withAsk(async (ask, fake) => {
      await fake.close();
      assertEquals(
        failure(await ask.ask({ prompt: "Hi" })),
        `Cannot reach ${fake.url}/v1/messages: connection refused; is the server running?`,
      );
    }, ONCE));
  await t.step("no such host", async () => {
    await using ask = new Ask(["--max-retries", "0"], {
      CLAUDE_MCP_BASE_URL: "http://no-such-host.invalid",
      CLAUDE_MCP_API_KEY: "sk-whatever",
    }, "ask");
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /^Cannot reach http:\/\/no-such-host\.invalid\/v1\/messages: no such host; is the name right\?$/,
    );
    assertEquals(await ask.close(), 0);
    assertClean(ask);
  });
});

// ---- trying again ----

Deno.test("a passing failure is tried again until it has passed", () =>
  withAsk(async (ask, fake) => {
    fake.next.push(overloaded, hangUp);
    const { result } = await ask.ask({ prompt: "Hi" });
    assertEquals(result.structuredContent?.text, "You said: Hi");
    assertEquals(fake.asked.length, 3);
    const [first, second, third] = fake.asked.map(({ at }) => at);
    const waits = [(second ?? 0) - (first ?? 0), (third ?? 0) - (second ?? 0)];
    assert((waits[0] ?? 0) >= 370 && (waits[1] ?? 0) >= 740, `${waits}`);
  }));

Deno.test("what does not pass is not tried again", () =>
  withAsk(async (ask, fake) => {
    for (const status of [400, 401, 403, 404, 413, 422]) {
      fake.next.push(error(status, "some_error", "No"));
      failure(await ask.ask({ prompt: "Hi" }));
    }
    assertEquals(fake.asked.length, 6);
    fake.next.push(
      error(503, "api_error", "No", { "x-should-retry": "false" }),
    );
    failure(await ask.ask({ prompt: "Hi" }));
    assertEquals(fake.asked.length, 7);
  }));

Deno.test("after the last retry the failure says how often it was tried", () =>
  withAsk(async (ask, fake) => {
    fake.next.push(overloaded);
    fake.behaviour = error(408, "timeout_error", "Slow", {
      "retry-after-ms": "10",
    });
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /^\S+ answered 408 timeout_error: Slow \(request-id req_2\) \(2 attempts\); try again in 1 s$/,
    );
  }, { env: { CLAUDE_MCP_MAX_RETRIES: "1" } }));

Deno.test("an overload that is told in a stream before its first word is tried again", () =>
  withAsk(async (ask, fake) => {
    fake.next.push(
      answer({
        fault: {
          after: 0,
          as: { type: "overloaded_error", message: "Overloaded" },
        },
      }),
    );
    const { result } = await ask.ask({ prompt: "Hi" }, { progressToken: 1 });
    assertEquals(result.structuredContent?.text, "You said: Hi");
    assertEquals(fake.asked.length, 2);
  }));

for (
  const [how, header] of [
    ["in seconds", () => "1"],
    ["as a date", () => new Date(Date.now() + 2000).toUTCString()],
  ] as const
) {
  Deno.test(`the wait that the API asks for ${how} is kept`, () =>
    withAsk(async (ask, fake) => {
      fake.next.push((call) => rateLimited(header())(call));
      const { result } = await ask.ask({ prompt: "Hi" });
      assertEquals(result.isError, undefined);
      const [first, second] = fake.asked.map(({ at }) => at);
      const waited = (second ?? 0) - (first ?? 0);
      assert(waited >= 900 && waited <= 2500, `${waited}`);
    }));
}

Deno.test("a wait that is longer than the timeout is not begun", () =>
  withAsk(async (ask, fake) => {
    const began = performance.now();
    assertEquals(
      failure(await ask.ask({ prompt: "Hi" })),
      `${fake.url}/v1/messages answered 429 rate_limit_error: This request would exceed your rate limit (request-id req_1); ` +
        "the next attempt would have to come within the timeout of 5000 ms; try again in 60 s",
    );
    assert(performance.now() - began < 2000);
    assertEquals(fake.asked.length, 1);
  }, { behaviour: rateLimited("60"), args: ["--timeout", "5s"] }));

Deno.test("all attempts together stay inside the timeout", () =>
  withAsk(async (ask, fake) => {
    fake.next.push(overloaded, overloaded);
    const began = performance.now();
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /within the timeout of 2000 ms/,
    );
    const took = performance.now() - began;
    assert(took >= 1900 && took < 3000, `${took}`);
    assertEquals(fake.asked.length, 3);
    assertEquals(fake.aborts, 1, "the last request was broken off");
  }, { behaviour: silence, args: ["--timeout", "2s"] }));

Deno.test("the other calls do not notice that one fails", () =>
  withAsk(async (ask, fake) => {
    fake.behaviour = (call) =>
      call.prompt === "bad" ? hangUp(call) : answer({ pace: 100 })(call);
    const answers = await Promise.all(
      ["a", "bad", "b"].map((prompt) => ask.ask({ prompt })),
    );
    assertEquals(
      answers.map(({ result }) => result.structuredContent?.text),
      ["You said: a", undefined, "You said: b"],
    );
  }, ONCE));
