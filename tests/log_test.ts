import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hide, Log, log, mask, maskUrl, readLevel } from "../lib/log.ts";

function lines(use: (log: Log) => void): string[] {
  const written: string[] = [];
  const one = new Log((line) => written.push(line), () => new Date(0));
  use(one);
  return written;
}

Deno.test("a log line has its time, its level, its text and its fields", () => {
  assertEquals(
    lines((log) => {
      log.info("Listening", {
        url: "http://x/mcp",
        sessions: 3,
        none: undefined,
      });
      log.error("Two words", { reason: "not here", list: ["a", 1] });
    }),
    [
      "1970-01-01T00:00:00.000Z info  Listening url=http://x/mcp sessions=3\n",
      '1970-01-01T00:00:00.000Z error Two words reason="not here" list=["a",1]\n',
    ],
  );
});

Deno.test("lines below the level are dropped", () => {
  const all = (log: Log) => {
    log.debug("d");
    log.info("i");
    log.warn("w");
    log.error("e");
  };
  const count = (level: "debug" | "info" | "warn" | "error") =>
    lines((log) => {
      log.configure({ level });
      all(log);
      assertEquals(log.on("warn"), level !== "error");
    }).length;
  assertEquals(lines(all).length, 3);
  assertEquals(
    ["debug", "info", "warn", "error"].map((level) => count(level as "debug")),
    [4, 3, 2, 1],
  );
});

Deno.test("level names are read in any letter case and in the old spellings", () => {
  assertEquals(
    [
      "DEBUG",
      "Info",
      "warn",
      "WARNING",
      "error",
      "CRITICAL",
      "loud",
      "constructor",
    ]
      .map(readLevel),
    ["debug", "info", "warn", "warn", "error", "error", undefined, undefined],
  );
});

Deno.test("in JSON each line is one object, and fields cannot replace its parts", () => {
  const [line = ""] = lines((log) => {
    log.configure({ format: "json" });
    log.warn("a\nb", { level: "mine", big: 10n, error: new Error("oh") });
  });
  assertEquals(line.split("\n").length, 2);
  assertEquals(JSON.parse(line), {
    time: "1970-01-01T00:00:00.000Z",
    level: "warn",
    text: "a\nb",
    level_: "mine",
    big: "10",
    error: "oh",
  });
});

Deno.test("levels are coloured only when asked for", () => {
  const [plain = "", coloured = ""] = lines((log) => {
    log.info("x");
    log.configure({ colour: true });
    log.info("x");
  });
  assert(!plain.includes("\x1b"));
  assertStringIncludes(coloured, "\x1b[36minfo \x1b[0m x\n");
});

Deno.test("nobody can forge a line or send an escape sequence to the terminal", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const [line = "", other = ""] = lines((log) => {
    log.info("a\n1970 error fake\r\x1b[2J", { name: "x\ny" });
    log.info("circle", { circle });
  });
  assertEquals(
    line,
    '1970-01-01T00:00:00.000Z info  a\n    1970 error fake\\x0d\\x1b[2J name="x\\ny"\n',
  );
  assertStringIncludes(other, "circle=");
});

Deno.test("a text without end is cut off", () => {
  const [line = ""] = lines((log) => log.info("x".repeat(1_000_000)));
  assert(line.length < 20_000);
  assertStringIncludes(line, "… (983616 more)");
});

Deno.test("secrets are masked wherever they stand", () => {
  const cases: [string, string][] = [
    ["Authorization: Bearer abc.def", "Authorization: ***"],
    ["authorization=Basic dXNlcg==", "authorization=***"],
    [
      '{"Authorization":"Bearer abcdef","a":1}',
      '{"Authorization":"***","a":1}',
    ],
    ["got Bearer abcdef12 from", "got Bearer *** from"],
    ["Cookie: a=b; c=d\nnext: e", "Cookie: ***\nnext: e"],
    ["Set-Cookie: id=1; Path=/", "Set-Cookie: ***"],
    ["X-API-Key: 12345", "X-API-Key: ***"],
    ["GITHUB_TOKEN=ghp_x next", "GITHUB_TOKEN=*** next"],
    ['{"clientSecret": "a b \\" c", "n": 1}', '{"clientSecret": ***, "n": 1}'],
    ['{\\"apiKey\\":\\"abc\\"}', '{\\"apiKey\\":\\***\\"}'],
    ["password='a b' x", "password=*** x"],
    ["authTokens: [a, b] x", "authTokens: *** x"],
    ["--api-access-token abc http://x", "--api-access-token *** http://x"],
    ["--auth-token=abc x", "--auth-token=*** x"],
    ["-e API_KEY abc cmd", "-e API_KEY *** cmd"],
    ["-H X-Auth-Token 'a b' u", "-H X-Auth-Token *** u"],
    [
      "GET https://x/mcp?token=abc&a=b#c",
      "GET https://x/mcp?token=***&a=***#***",
    ],
    ["https://user:pass@x/y", "https://***@x/y"],
  ];
  for (const [text, masked] of cases) assertEquals(mask(text), masked);
});

Deno.test("what is no secret stays readable", () => {
  for (
    const text of [
      'Cannot read config "x.json": mcpServers.fetch.args must be a list',
      "CLAUDE_MCP_API_KEY is not set",
      "--client-id, --client-secret and --token-url belong together",
      "http://127.0.0.1:8080/servers/fetch/mcp",
      "<fetch> Adding tool get_token",
    ]
  ) assertEquals(mask(text), text);
});

Deno.test("URLs lose user, query values and fragment", () => {
  assertEquals(maskUrl("https://x/mcp"), "https://x/mcp");
  assertEquals(maskUrl("https://x/?a=1&b&c="), "https://x/?a=***&***&c=***");
  assertEquals(maskUrl("http://u:p@x:1/a@b?q=u@v"), "http://***@x:1/a@b?q=***");
});

Deno.test("fields are masked by name and by content, however deep", () => {
  const [line = ""] = lines((log) =>
    log.info("x", {
      apiKey: "abc",
      max_tokens: 1024,
      headers: { cookie: "a=b", accept: "*/*" },
      url: new URL("http://x/?q=1"),
    })
  );
  assertEquals(
    line,
    '1970-01-01T00:00:00.000Z info  x apiKey=*** max_tokens=1024 headers={"cookie":"***","accept":"*/*"} url="http://x/?q=***"\n',
  );
});

Deno.test("a value that was declared secret is hidden everywhere, an ordinary word is not", () => {
  hide("correct-horse");
  hide("abc");
  assertEquals(mask("a correct-horse abc"), "a *** abc");
});

Deno.test("masking a long line takes time in proportion to its length", () => {
  const start = performance.now();
  for (
    const part of ["a", "ab.", "key", "key=", '"', "-e ", "?a=", "Bearer "]
  ) {
    mask(part.repeat(16_384 / part.length));
  }
  assert(performance.now() - start < 2000);
});

Deno.test("the program's log does not throw", () => {
  log.configure({ level: "error" });
  log.info("dropped");
  log.configure({ level: "info" });
});

function flood(): Deno.ChildProcess {
  const code = `
    import { flushLog, log, writeBehind } from "${
    import.meta.resolve("../lib/log.ts")
  }";
    writeBehind();
    Deno.stdin.readSync(new Uint8Array(1));
    for (let i = 0; i < 64; i++) log.info("x".repeat(16_000) + i);
    for (let round = 0; round < 50; round++) {
      await new Promise((done) => setTimeout(done));
      log.info("y".repeat(16_000));
    }
    await flushLog(100);
    Deno.stdout.writeSync(new TextEncoder().encode("alive"));
    Deno.exit(0);
  `;
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", "--ext=ts", code],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

async function go(child: Deno.ChildProcess): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new Uint8Array(1));
  await writer.close();
}

Deno.test("a host that never reads stderr does not stop the program", async () => {
  const child = flood();
  await go(child);
  assertEquals(await new Response(child.stdout).text(), "alive");
  await child.stderr.cancel();
  assertEquals((await child.status).code, 0);
});

Deno.test("a host that has closed stderr does not stop the program", async () => {
  const child = flood();
  await child.stderr.cancel();
  await go(child);
  assertEquals(await new Response(child.stdout).text(), "alive");
  assertEquals((await child.status).code, 0);
});
