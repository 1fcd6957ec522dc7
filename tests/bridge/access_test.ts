/** Headers, tokens, client credentials, certificates and proxies of a bridge. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { run } from "../program.ts";
import { startRemote } from "../fixtures/remote_server.ts";
import { CA, LEAF, LEAF_KEY } from "./certificates.ts";
import { Bridge, textOf, until } from "./kit.ts";
import { startProxy } from "./proxy.ts";

/** The `authorization` that each of some command lines sends. */
async function authorizationOf(
  args: string[],
  env: Record<string, string> = {},
): Promise<string | null | undefined> {
  const remote = startRemote();
  try {
    await using bridge = new Bridge([...args, remote.url], env);
    await bridge.initialize();
    await bridge.call("echo");
    const all = new Set(
      remote.requests.map(({ headers }) => headers.get("authorization")),
    );
    assertEquals(all.size, 1, "every request carries the same");
    assertEquals(await bridge.close(), 0);
    return [...all][0];
  } finally {
    await remote.close();
  }
}

Deno.test("exactly one Authorization goes out, and a flag wins over the variable", async () => {
  const env = { API_ACCESS_TOKEN: "variable-token" };
  assertEquals(await authorizationOf([]), null);
  assertEquals(await authorizationOf([], env), "Bearer variable-token");
  assertEquals(
    await authorizationOf(["--api-access-token", "flag-token"], env),
    "Bearer flag-token",
  );
  assertEquals(
    await authorizationOf(["-H", "AUTHORIZATION", "Basic abc"], env),
    "Basic abc",
  );
  assertEquals(
    await authorizationOf([
      "-H",
      "authorization: one",
      "--headers=Authorization=two",
    ], env),
    "two",
  );
  assertEquals(
    await authorizationOf([
      "--api-access-token",
      "flag",
      "-H",
      "aUthorization",
      "x",
    ], env),
    "Bearer flag",
  );
});

Deno.test("headers go with every request, however they are written", async () => {
  for (const answers of ["/mcp", "/sse"]) {
    const remote = startRemote();
    try {
      const url = new URL(answers, remote.url).href;
      await using bridge = new Bridge([
        "-H",
        "X-One",
        "1",
        "--headers",
        "X-Two: a: b",
        "-H",
        "X-Three=c=d",
        "-H",
        "x-one",
        "last",
        url,
      ]);
      await bridge.initialize();
      await bridge.call("echo");
      assertEquals(await bridge.close(), 0);
      for (const { headers } of remote.requests) {
        assertEquals([
          headers.get("x-one"),
          headers.get("x-two"),
          headers.get("x-three"),
        ], ["last", "a: b", "c=d"]);
        assertMatch(headers.get("user-agent") ?? "", /^mcp-proxy\//);
      }
    } finally {
      await remote.close();
    }
  }
});

Deno.test("a token that is missing or wrong is named, and nothing else happens", async () => {
  const remote = startRemote({ token: "right" });
  try {
    {
      await using bridge = new Bridge([remote.url]);
      assertMatch(
        (await bridge.request("initialize", {})).error.message,
        /refuses access \(401 Unauthorized\); give a token with --api-access-token/,
      );
    }
    await using bridge = new Bridge(["--debug", remote.url], {
      API_ACCESS_TOKEN: "right",
    });
    await bridge.initialize();
    assertEquals(textOf(await bridge.call("echo", { text: "in" })), "in");
    assertEquals(await bridge.close(), 0);
    assert(!bridge.stderr.includes("right"));
  } finally {
    await remote.close();
  }
});

const OAUTH = { clientId: "me", clientSecret: "s3cret-:%/é" };
const FLAGS = (
  tokenUrl: string,
) => ["--client-id", OAUTH.clientId, "--token-url", tokenUrl];
const SECRET = { MCP_PROXY_CLIENT_SECRET: OAUTH.clientSecret };

Deno.test("client credentials get a token, and a new one before it expires or when it is void", async () => {
  const remote = startRemote({ oauth: { ...OAUTH, expiresIn: 3600 } });
  try {
    await using bridge = new Bridge([
      "--debug",
      ...FLAGS(remote.tokenUrl),
      "--scope",
      "a b",
      remote.url,
    ], SECRET);
    await bridge.initialize();
    await Promise.all(Array.from({ length: 8 }, () => bridge.call("echo")));
    const asked = () => remote.requests.filter(({ path }) => path === "/token");
    assertEquals(asked().length, 1);
    assertEquals(new URLSearchParams(asked()[0]?.body).get("scope"), "a b");
    remote.revoke();
    assertEquals(
      textOf(await bridge.call("echo", { text: "again", key: "k" })),
      "again",
    );
    assertEquals(asked().length, 2);
    assertEquals(remote.runs.get("k"), 1);
    assertEquals(await bridge.close(), 0);
    assertEquals(remote.sessions(), []);
    assert(
      !bridge.stderr.includes(OAUTH.clientSecret) &&
        !bridge.stderr.includes("issued-"),
    );
  } finally {
    await remote.close();
  }
});

Deno.test("a short-lived token is renewed without a refusal in between", async () => {
  const remote = startRemote({ oauth: { ...OAUTH, expiresIn: 1 } });
  try {
    await using bridge = new Bridge(
      [...FLAGS(remote.tokenUrl), remote.url],
      SECRET,
    );
    await bridge.initialize();
    const asked = () =>
      remote.requests.filter(({ path }) => path === "/token").length;
    await until("renewals", async () => {
      assertEquals(textOf(await bridge.call("echo", { text: "x" })), "x");
      return asked() >= 3;
    });
  } finally {
    await remote.close();
  }
});

Deno.test("credentials that are wrong are named, and the secret is not", async () => {
  const remote = startRemote({ oauth: OAUTH });
  try {
    await using bridge = new Bridge([...FLAGS(remote.tokenUrl), remote.url], {
      MCP_PROXY_CLIENT_SECRET: "wrong-secret",
    });
    const { message } = (await bridge.request("initialize", {})).error;
    assertMatch(
      message,
      /^Cannot get a token from http.*\/token: it answered 401 invalid_client; are --client-id and MCP_PROXY_CLIENT_SECRET right\?$/,
    );
    assert(!message.includes("wrong-secret"));
  } finally {
    await remote.close();
  }
});

Deno.test("command lines that cannot be meant end with 2 and say what is wrong", async () => {
  const url = "http://127.0.0.1:9/mcp";
  const cases: [string[], RegExp][] = [
    [[], /there is no URL/],
    [["nonsense"], /"nonsense" is no http\(s\) URL/],
    [[url, url], /one word too many/],
    [
      ["--client-id", "x", url],
      /--client-secret and --token-url is missing|belong together/,
    ],
    [["--client-id", "x", "--client-secret", "y", url], /--token-url/],
    [["--transport", "smtp", url], /transport "smtp" must be/],
    [["--headers", "no name", "x", url], /is no header/],
    [["--timeout", "soon", url], /timeout/],
    [["--nosuch", url], /nosuch/],
  ];
  for (const [args, says] of cases) {
    const { code, stderr } = await run(["bridge", ...args], "", {
      SSE_URL: "",
    });
    assertEquals(code, 2, args.join(" "));
    assertMatch(stderr, says);
  }
  const { code, stderr } = await run([
    "bridge",
    "--ca",
    "/nonexistent.pem",
    url,
  ]);
  assertEquals(code, 1);
  assertMatch(
    stderr,
    /Cannot read the certificates in "\/nonexistent.pem": there is no such file/,
  );
});

Deno.test("the URL may stand in SSE_URL, with or without the subcommand", async () => {
  const remote = startRemote();
  try {
    const hello =
      '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}\n';
    for (const args of [["bridge"], [], [remote.sseUrl]]) {
      const { code, stdout } = await run(args, hello, {
        SSE_URL: remote.sseUrl,
      });
      assertEquals(code, 0);
      assertMatch(stdout, /"id":1,"result"/);
    }
  } finally {
    await remote.close();
  }
});

/** A remote behind TLS. */
async function behindTls(test: (url: string) => Promise<void>): Promise<void> {
  const remote = startRemote();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    cert: LEAF,
    key: LEAF_KEY,
    onListen() {},
  }, (request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(new URL(pathname + search, remote.url), {
      method: request.method,
      headers: request.headers,
      body: request.body,
    });
  });
  try {
    await test(`https://127.0.0.1:${server.addr.port}/mcp`);
  } finally {
    await remote.close();
    await server.shutdown();
  }
}

Deno.test("certificates are checked, against the usual ones, those of --ca, or not at all", async () => {
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(file, CA);
  try {
    await behindTls(async (url) => {
      {
        await using bridge = new Bridge([url]);
        assertMatch(
          (await bridge.request("initialize", {})).error.message,
          /its certificate is not trusted .*; name the CA with --ca FILE, or --no-verify-ssl/,
        );
      }
      for (
        const args of [["--ca", file], ["--verify-ssl", file], [
          "--no-verify-ssl",
        ], ["--verify-ssl=false"]]
      ) {
        await using bridge = new Bridge([...args, url]);
        await bridge.initialize();
        assertEquals(
          textOf(await bridge.call("echo", { text: "sécret" })),
          "sécret",
        );
        assertEquals(
          textOf(await bridge.call("big", { size: 300_000 })).length,
          300_000,
        );
        assertEquals(await bridge.close(), 0);
      }
    });
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("the proxy of the environment is used, with its password, but not for what NO_PROXY names", async () => {
  const proxy = startProxy();
  const file = await Deno.makeTempFile({ suffix: ".pem" });
  await Deno.writeTextFile(file, CA);
  try {
    await behindTls(async (url) => {
      const port = new URL(url).port;
      for (const args of [["--ca", file], ["--no-verify-ssl"]]) {
        proxy.seen.length = 0;
        await using bridge = new Bridge([...args, url], {
          HTTPS_PROXY: `http://user:pa%20ss@127.0.0.1:${proxy.port}`,
        });
        await bridge.initialize();
        assertEquals(textOf(await bridge.call("echo", { text: "x" })), "x");
        assertEquals(await bridge.close(), 0);
        assert(proxy.seen.length > 0);
        for (const { line, authorization } of proxy.seen) {
          assertEquals([line, authorization], [
            `CONNECT 127.0.0.1:${port} HTTP/1.1`,
            `Basic ${btoa("user:pa ss")}`,
          ]);
        }
      }
    });
    const remote = startRemote();
    try {
      for (
        const [exception, through] of [
          ["", true],
          ["example.com, 10.0.0.0/8", true],
          ["127.0.0.1", false],
          ["*", false],
          ["127.0.0.0/8", false],
        ] as const
      ) {
        proxy.seen.length = 0;
        await using bridge = new Bridge([remote.url], {
          http_proxy: `127.0.0.1:${proxy.port}`,
          NO_PROXY: exception,
        });
        await bridge.initialize();
        assertEquals(textOf(await bridge.call("echo", { text: "x" })), "x");
        assertEquals(await bridge.close(), 0);
        assertEquals(
          proxy.seen.some(({ line }) => line === `POST ${remote.url} HTTP/1.1`),
          through,
          exception,
        );
      }
    } finally {
      await remote.close();
    }
  } finally {
    await Deno.remove(file);
    await proxy.close();
  }
});

Deno.test("a proxy that is not there is named", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  await using bridge = new Bridge(["https://127.0.0.1:9/mcp"], {
    HTTPS_PROXY: `http://127.0.0.1:${port}`,
  });
  assertMatch(
    (await bridge.request("initialize", {})).error.message,
    new RegExp(
      `^Cannot reach https://127.0.0.1:9/mcp: proxy 127.0.0.1:${port}: .*refused`,
    ),
  );
});

Deno.test("user and password in the URL are sent as Basic, and not shown", async () => {
  const remote = startRemote();
  try {
    const url = new URL(remote.url);
    Object.assign(url, { username: "u", password: "hidden-word" });
    await using bridge = new Bridge(["--debug", url.href]);
    await bridge.initialize();
    assertEquals(
      remote.requests[0]?.headers.get("authorization"),
      `Basic ${btoa("u:hidden-word")}`,
    );
    await remote.stop();
    const { error } = await bridge.call("echo");
    assert(!error.message.includes("hidden-word"));
    await bridge.close();
    assert(!bridge.stderr.includes("hidden-word"));
  } finally {
    await remote.close();
  }
});
