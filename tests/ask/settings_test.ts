/** The settings of `ask`: variables, flags, and what is said of those that cannot be used. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { silence } from "../fixtures/fake_answers.ts";
import { FAKE_KEY, startFakeMessages } from "../fixtures/fake_messages.ts";
import { run } from "../program.ts";
import { Ask, failure, withAsk } from "./kit.ts";

/** Runs the program with its stdin left open, so that it ends only if it does so before reading. */
async function refused(
  args: string[],
  env: Record<string, string>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  await using ask = new Ask(args, env, "ask");
  const code = await ask.ended();
  assert(!ask.stderr.includes(FAKE_KEY), ask.stderr);
  return { code, stdout: ask.lines.join("\n"), stderr: ask.stderr };
}

const URL = "https://models.example", KEY = FAKE_KEY;

const UNUSABLE: [what: string, env: Record<string, string>, says: string][] = [
  [
    "nothing is set",
    {},
    "CLAUDE_MCP_BASE_URL and CLAUDE_MCP_API_KEY are not set: give the address of a Messages API, such as https://api.anthropic.com, and its key",
  ],
  [
    "there is no address",
    { CLAUDE_MCP_API_KEY: KEY },
    "CLAUDE_MCP_BASE_URL is not set: give the address of a Messages API, such as https://api.anthropic.com",
  ],
  [
    "there is no key",
    { CLAUDE_MCP_BASE_URL: URL },
    "CLAUDE_MCP_API_KEY is not set: give the key of the Messages API",
  ],
  [
    "the key is blank",
    { CLAUDE_MCP_BASE_URL: URL, CLAUDE_MCP_API_KEY: "  " },
    "CLAUDE_MCP_API_KEY is not set: give the key of the Messages API",
  ],
  [
    "the key has a line break in it",
    { CLAUDE_MCP_BASE_URL: URL, CLAUDE_MCP_API_KEY: `${KEY}\n${KEY}` },
    "CLAUDE_MCP_API_KEY holds a character that no key can have: copy it again, without quotes and line breaks",
  ],
  [
    "the address is no URL",
    { CLAUDE_MCP_BASE_URL: "models.example", CLAUDE_MCP_API_KEY: KEY },
    'CLAUDE_MCP_BASE_URL "models.example" must be an http:// or https:// URL',
  ],
  [
    "the address is of another protocol",
    { CLAUDE_MCP_BASE_URL: "ftp://models.example", CLAUDE_MCP_API_KEY: KEY },
    'CLAUDE_MCP_BASE_URL "ftp://models.example" must be an http:// or https:// URL',
  ],
  [
    "the address holds secrets",
    {
      CLAUDE_MCP_BASE_URL: `ftp://me:${KEY}@models.example/?k=${KEY}`,
      CLAUDE_MCP_API_KEY: KEY,
    },
    'CLAUDE_MCP_BASE_URL "ftp://***@models.example/?k=***" must be an http:// or https:// URL',
  ],
];

const VALUES: [name: string, value: string, says: string][] = [
  [
    "CLAUDE_MCP_TIMEOUT_MS",
    "soon",
    '"soon" must be a number of milliseconds, such as 60000',
  ],
  [
    "CLAUDE_MCP_TIMEOUT_MS",
    "60s",
    '"60s" must be a number of milliseconds, such as 60000',
  ],
  [
    "CLAUDE_MCP_TIMEOUT_MS",
    "9".repeat(20),
    `"${"9".repeat(20)}" must be a number of milliseconds, such as 60000`,
  ],
  ["CLAUDE_MCP_AUTH", "basic", '"basic" must be x-api-key or bearer'],
  [
    "CLAUDE_MCP_MAX_RETRIES",
    "-1",
    '"-1" must be a whole number from 0 to 100',
  ],
  [
    "CLAUDE_MCP_MAX_RETRIES",
    "2.5",
    '"2.5" must be a whole number from 0 to 100',
  ],
  ["CLAUDE_MCP_CACHE", "maybe", '"maybe" must be true or false'],
  [
    "CLAUDE_MCP_ANTHROPIC_VERSION",
    "2023–06–01",
    '"2023–06–01" must consist of letters that a header can carry',
  ],
];

Deno.test("a setting that is missing or unusable is one line on stderr and exit code 1, before stdin is read", async (t) => {
  const needed = { CLAUDE_MCP_BASE_URL: URL, CLAUDE_MCP_API_KEY: KEY };
  const cases = [
    ...UNUSABLE,
    ...VALUES.map(([name, value, says]): typeof UNUSABLE[number] => [
      `${name} is ${value}`,
      { ...needed, [name]: value },
      `${name} ${says}`,
    ]),
  ];
  for (const [what, env, says] of cases) {
    await t.step(what, async () => {
      const { code, stdout, stderr } = await refused([], env);
      assertEquals([code, stdout], [1, ""]);
      assertMatch(stderr, /^\S+ error [^\n]+\n$/);
      assertEquals(stderr.replace(/^\S+ error /, "").trimEnd(), says);
    });
  }
});

Deno.test("a wrong command line is a usage error", async (t) => {
  const cases: [args: string[], says: RegExp][] = [
    [["--base-url", "nowhere"], /^mcp-proxy: --base-url "nowhere" must be an/],
    [["--timeout", "soon"], /^mcp-proxy: --timeout "soon" must be a duration/],
    [["--auth", "baerer"], /\nDid you mean bearer\?\n/],
    [
      ["--modle", "x"],
      /^mcp-proxy: Unknown flag "--modle"\nDid you mean --model\?/,
    ],
    [["What is MCP?"], /^mcp-proxy: "What is MCP\?" is one word too many/],
    [
      ["--api-key", KEY],
      /^mcp-proxy: There is no flag for the key, .*: set CLAUDE_MCP_API_KEY\n/,
    ],
    [
      [`--key=${KEY}`],
      /^mcp-proxy: There is no flag for the key, .*: set CLAUDE_MCP_API_KEY\n/,
    ],
  ];
  for (const [args, says] of cases) {
    await t.step(args[0] ?? "", async () => {
      const { code, stdout, stderr } = await refused(args, {});
      assertEquals([code, stdout], [2, ""]);
      assertMatch(stderr, says);
      assertMatch(stderr, /\nUsage: mcp-proxy ask \[flags\]\n$/);
    });
  }
});

Deno.test("the address may be written in each of its ways", async (t) => {
  const cases: [tail: string, path: string][] = [
    ["", "/v1/messages"],
    ["/", "/v1/messages"],
    ["/v1", "/v1/messages"],
    ["/v1//", "/v1/messages"],
    ["/v1/messages", "/v1/messages"],
    ["/v1/messages/", "/v1/messages"],
    ["/proxy", "/proxy/v1/messages"],
    ["/proxy/v1?team=a%20b&x=1#top", "/proxy/v1/messages?team=a%20b&x=1"],
  ];
  for (const [tail, path] of cases) {
    await t.step(tail || "bare", async () => {
      const fake = await startFakeMessages();
      await using ask = new Ask([], {
        CLAUDE_MCP_BASE_URL: ` ${fake.url}${tail} `,
        CLAUDE_MCP_API_KEY: ` ${FAKE_KEY}\n`,
      }, "ask");
      await ask.ask({ prompt: "Hi" });
      assertEquals(fake.asked.map((asked) => asked.path), [path]);
      assertEquals(await ask.close(), 0);
      await fake.close();
    });
  }
});

Deno.test("a gateway gets the key as a bearer token", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({ prompt: "Hi" });
    assertEquals(fake.asked[0]?.headers["authorization"], `Bearer ${FAKE_KEY}`);
    assertEquals(fake.asked[0]?.headers["x-api-key"], undefined);
  }, { env: { CLAUDE_MCP_AUTH: "Bearer" } }));

Deno.test("user and password of the address go to the gateway beside the key", async () => {
  const fake = await startFakeMessages();
  await using ask = new Ask([], {
    CLAUDE_MCP_BASE_URL: fake.url.replace("//", "//us%C3%A9r:p%40ss@"),
    CLAUDE_MCP_API_KEY: FAKE_KEY,
  }, "ask");
  await ask.ask({ prompt: "Hi" });
  const headers = fake.asked[0]?.headers;
  assertEquals(headers?.["x-api-key"], FAKE_KEY);
  assertEquals(headers?.["authorization"], "Basic dXPDqXI6cEBzcw==");
  assertEquals(await ask.close(), 0);
  await fake.close();
});

Deno.test("variables set the model and the version", () =>
  withAsk(async (ask, fake) => {
    const { result } = await ask.ask({ prompt: "Hi" });
    assertEquals(result.structuredContent.text, "You said: Hi");
    assertEquals(fake.asked[0]?.body["model"], "claude-haiku-4-5");
    assertEquals(fake.asked[0]?.headers["anthropic-version"], "2026-10-21");
  }, {
    env: {
      CLAUDE_MCP_MODEL: " claude-haiku-4-5 ",
      CLAUDE_MCP_ANTHROPIC_VERSION: "2026-10-21",
    },
  }));

Deno.test("a variable without a value is none", () =>
  withAsk(async (ask, fake) => {
    await ask.ask({ prompt: "Hi" });
    assertEquals(fake.asked[0]?.body["model"], "claude-sonnet-4-5");
    assertEquals(fake.asked[0]?.headers["anthropic-version"], "2023-06-01");
  }, {
    env: {
      CLAUDE_MCP_MODEL: "",
      CLAUDE_MCP_ANTHROPIC_VERSION: " ",
      CLAUDE_MCP_TIMEOUT_MS: "",
      CLAUDE_MCP_MAX_RETRIES: "",
      CLAUDE_MCP_AUTH: "",
      CLAUDE_MCP_CACHE: "",
    },
  }));

Deno.test("every flag wins over its variable", async () => {
  const fake = await startFakeMessages();
  await using ask = new Ask([
    `--base-url=${fake.url}/flag`,
    "--model",
    "claude-haiku-4-5",
    "--anthropic-version",
    "2023-06-01",
    "--auth",
    "x-api-key",
    "--timeout",
    "1500",
    "--max-retries",
    "0",
  ], {
    CLAUDE_MCP_API_KEY: FAKE_KEY,
    CLAUDE_MCP_BASE_URL: "no URL at all",
    CLAUDE_MCP_MODEL: "no-such-model",
    CLAUDE_MCP_ANTHROPIC_VERSION: "1999-01-01",
    CLAUDE_MCP_AUTH: "nonsense",
    CLAUDE_MCP_TIMEOUT_MS: "nonsense",
    CLAUDE_MCP_MAX_RETRIES: "nonsense",
  }, "ask");
  await ask.ask({ prompt: "Hi" });
  assertEquals(fake.asked.map(({ path, body }) => [path, body["model"]]), [
    ["/flag/v1/messages", "claude-haiku-4-5"],
  ]);
  fake.behaviour = silence;
  assertMatch(
    failure(await ask.ask({ prompt: "Hi" })),
    /within the timeout of 1500 ms/,
  );
  assertEquals(await ask.close(), 0);
  await fake.close();
});

const tooShort = (ms: number) =>
  `warn  A timeout of ${ms} ms (CLAUDE_MCP_TIMEOUT_MS, --timeout) is too short: it counts as 1000\n`;

Deno.test("a timeout below 1000 ms counts as 1000, with a warning", () =>
  withAsk(async (ask, fake) => {
    const began = performance.now();
    assertEquals(
      failure(await ask.ask({ prompt: "Hi" })),
      `No answer from ${fake.url}/v1/messages within the timeout of 1000 ms; ` +
        "raise CLAUDE_MCP_TIMEOUT_MS or --timeout, or ask for less",
    );
    assert(performance.now() - began >= 990);
    assertStringIncludes(ask.stderr, tooShort(500));
  }, { behaviour: silence, env: { CLAUDE_MCP_TIMEOUT_MS: "500" } }));

for (const ms of [0, -5, 999.5]) {
  Deno.test(`a timeout of ${ms} ms is no error`, () =>
    withAsk(async (ask) => {
      await ask.initialize();
      assertStringIncludes(ask.stderr, tooShort(ms));
    }, { env: { CLAUDE_MCP_TIMEOUT_MS: `${ms}` } }));
}

Deno.test("ask --help shows every variable with its flag and default, and no flag for the key", async () => {
  const { code, stdout, stderr } = await run(["ask", "--help"]);
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^Usage: mcp-proxy ask \[flags\]\n/);
  const text = stdout.replaceAll(/\s+/g, " ");
  for (
    const shown of [
      "[CLAUDE_MCP_BASE_URL]",
      "[CLAUDE_MCP_MODEL, default claude-sonnet-4-5]",
      "[CLAUDE_MCP_TIMEOUT_MS, default 60s]",
      "[CLAUDE_MCP_MAX_RETRIES, default 2]",
      "[CLAUDE_MCP_AUTH, default x-api-key]",
      "[CLAUDE_MCP_ANTHROPIC_VERSION, default 2023-06-01]",
      "[CLAUDE_MCP_CACHE, default on]",
      "CLAUDE_MCP_API_KEY; there is no flag for it",
    ]
  ) assertStringIncludes(text, shown);
  assertEquals(stdout.match(/--\S*key/g), null);
  assertMatch(stdout, /\nExamples:\n(?: {2}.*mcp-proxy ask.*\n){2,}$/);
});
