/** What a host sees of a bridge when the remote server misbehaves. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  type Remote,
  type RemoteOptions,
  startRemote,
} from "../fixtures/remote_server.ts";
import { Bridge, textOf, until } from "./kit.ts";

interface Kind {
  name: string;
  options: RemoteOptions;
  url: (remote: Remote) => string;
}

const KINDS: Kind[] = [
  {
    name: "JSON answers",
    options: { answers: "json" },
    url: (remote) => remote.url,
  },
  {
    name: "event-stream answers",
    options: { answers: "stream" },
    url: (remote) => remote.url,
  },
  { name: "HTTP+SSE", options: {}, url: (remote) => remote.sseUrl },
];

/** A test over each kind of remote; each with a bridge of its own. */
function each(
  what: string,
  run: (bridge: Bridge, remote: Remote, kind: Kind) => Promise<void>,
  kinds = KINDS,
): void {
  for (const kind of kinds) {
    Deno.test(`${what} (${kind.name})`, async () => {
      const remote = startRemote(kind.options);
      try {
        await using bridge = new Bridge([kind.url(remote)]);
        await run(bridge, remote, kind);
      } finally {
        await remote.close();
      }
    });
  }
}

const isCall = ({ frame }: { frame: { method?: string } | undefined }) =>
  frame?.method === "tools/call";

each(
  "a host is told that the remote is down, and gets through when it is up",
  async (bridge, remote) => {
    await remote.stop();
    const refused = await bridge.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "h", version: "1" },
    });
    assertMatch(
      refused.error.message,
      /^Cannot reach http:\/\/127.0.0.1:\d+\/\w+: connection refused; is the server running\?$/,
    );
    remote.start();
    assertEquals((await bridge.initialize()).result.serverInfo.name, "remote");
    assertEquals(textOf(await bridge.call("echo", { text: "hello" })), "hello");
  },
);

each(
  "a call reaches a remote that comes back within a few seconds, and runs once",
  async (bridge, remote) => {
    await bridge.initialize();
    await until("the session", () => remote.sessions().length === 1);
    await remote.stop();
    const answer = bridge.call("echo", { text: "after", key: "k" });
    await new Promise((resolve) => setTimeout(resolve, 500));
    remote.start();
    assertEquals(textOf(await answer), "after");
    assertEquals(remote.runs.get("k"), 1);
  },
);

each(
  "a host hears that the remote stays away, and everything works when it is back",
  async (bridge, remote) => {
    await bridge.initialize();
    await remote.stop();
    assertMatch(
      (await bridge.call("echo", { text: "x" })).error.message,
      /Cannot reach|broke|lost/,
    );
    remote.start();
    assertEquals(textOf(await bridge.call("echo", { text: "again" })), "again");
  },
);

each(
  "a remote that forgets sessions gets the handshake again, subscriptions and log level too",
  async (bridge, remote) => {
    await bridge.initialize();
    await bridge.request("resources/subscribe", { uri: "remote://a" });
    await bridge.request("logging/setLevel", { level: "warning" });
    const before = remote.sessions()[0];
    remote.forget();
    assertEquals(
      textOf(await bridge.call("subscribed", { key: "k" })),
      '["remote://a"]',
    );
    assertEquals(remote.runs.get("k"), 1);
    assertEquals(remote.sessions().length, 1);
    assert(remote.sessions()[0] !== before);
    assertEquals(remote.count("initialize"), 2);
    assertEquals(remote.count("logging/setLevel"), 2);
    assertEquals(JSON.parse(textOf(await bridge.call("client"))).clientInfo, {
      name: "host",
      version: "1.0.0",
    });
  },
);

each(
  "sixteen calls at once survive a forgotten session, and each runs once",
  async (bridge, remote) => {
    await bridge.initialize();
    await bridge.call("echo");
    remote.forget();
    const answers = await Promise.all(
      Array.from(
        { length: 16 },
        (_, i) => bridge.call("echo", { text: `${i}`, key: `k${i}` }),
      ),
    );
    assertEquals(
      answers.map(textOf),
      Array.from({ length: 16 }, (_, i) => `${i}`),
    );
    for (let i = 0; i < 16; i++) {
      assertEquals(remote.runs.get(`k${i}`), 1);
    }
    assertEquals(remote.sessions().length, 1);
  },
);

each(
  "a call that may have run is not sent again",
  async (bridge, remote, kind) => {
    await bridge.initialize();
    await bridge.call("echo");
    remote.fail(
      kind.name === "HTTP+SSE" ? { cut: 0, abrupt: true } : { drop: "after" },
      { when: isCall },
    );
    const answer = await bridge.call("sleep", { ms: 50, key: "once" });
    if (answer.error) assertMatch(answer.error.message, /may have run/);
    else assertEquals(textOf(answer), "slept 50");
    assertEquals(remote.runs.get("once"), 1);
    assertEquals(textOf(await bridge.call("echo", { text: "on" })), "on");
    assertEquals(remote.runs.get("once"), 1);
  },
);

each(
  "a call whose connection breaks before it ran is not sent again either, for nobody can know",
  async (bridge, remote) => {
    await bridge.initialize();
    await bridge.call("echo");
    remote.fail({ drop: "before" }, { when: isCall });
    assertMatch(
      (await bridge.call("echo", { key: "k" })).error.message,
      /may have run/,
    );
    assertEquals(remote.runs.get("k"), undefined);
    assertEquals(textOf(await bridge.call("echo", { text: "on" })), "on");
  },
  KINDS.slice(0, 2),
);

each(
  "a list whose connection breaks is simply asked for again",
  async (bridge, remote) => {
    await bridge.initialize();
    await bridge.call("echo");
    remote.fail({ drop: "before" }, {
      when: ({ frame }) => frame?.method === "tools/list",
    });
    assert((await bridge.request("tools/list")).result.tools.length > 3);
    assertEquals(remote.count("tools/list"), 2);
  },
  KINDS.slice(0, 2),
);

Deno.test("an answer whose stream is cut is taken up where it broke off", async () => {
  const remote = startRemote({ answers: "stream" });
  try {
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    for (const abrupt of [false, true]) {
      remote.fail({ cut: 2, abrupt }, { when: isCall });
      const key = `cut ${abrupt}`;
      const answer = await bridge.call("progress", { n: 5, ms: 20, key }, {
        progressToken: "p",
      });
      assertEquals(textOf(answer), "progressed 5");
      assertEquals(remote.runs.get(key), 1);
      const seen = bridge.others.splice(0).filter(({ method }) =>
        method === "notifications/progress"
      );
      assertEquals(
        seen.map(({ params }) => params),
        [1, 2, 3, 4, 5].map((progress) => ({
          progressToken: "p",
          progress,
          total: 5,
        })),
      );
    }
  } finally {
    await remote.close();
  }
});

Deno.test("an answer whose stream is cut and has no event ids is lost, and the host is told", async () => {
  const remote = startRemote({ answers: "stream", resumable: false });
  try {
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    for (const abrupt of [false, true]) {
      remote.fail({ cut: 2, abrupt }, { when: isCall });
      const answer = await bridge.call("progress", {
        n: 5,
        ms: 20,
        key: `${abrupt}`,
      }, { progressToken: 7 });
      assertMatch(answer.error.message, /may have run/);
      assertEquals(remote.runs.get(`${abrupt}`), 1);
    }
    // The tool that nobody listens to any more comes to its end meanwhile.
    assertEquals(textOf(await bridge.call("sleep", { ms: 200 })), "slept 200");
  } finally {
    await remote.close();
  }
});

each(
  "the stream for the server's own messages comes back after a cut",
  async (bridge, remote) => {
    await bridge.initialize();
    await until("the stream", () => remote.openStreams() === 1);
    remote.push("notifications/tools/list_changed");
    await bridge.other(({ method }) =>
      method === "notifications/tools/list_changed"
    );
    for (const abrupt of [false, true]) {
      remote.cut(abrupt);
      await until("the cut", () => remote.openStreams() === 0);
      await until("the stream again", () => remote.openStreams() === 1);
      // HTTP+SSE: the stream is a new session, whose handshake has to be over.
      assertEquals(textOf(await bridge.call("echo", { text: "on" })), "on");
      remote.push("notifications/tools/list_changed");
      await bridge.other(({ method }) =>
        method === "notifications/tools/list_changed"
      );
    }
  },
);

each(
  "a remote that restarts without its sessions is found again without a request",
  async (bridge, remote) => {
    await bridge.initialize();
    await bridge.request("resources/subscribe", { uri: "remote://a" });
    await until("the stream", () => remote.openStreams() === 1);
    await remote.stop();
    remote.forget();
    remote.start();
    await until(
      "a new session",
      () => remote.sessions().length === 1 && remote.openStreams() === 1,
      20_000,
    );
    await until(
      "the subscription",
      () => remote.count("resources/subscribe") === 2,
    );
    remote.push("notifications/resources/updated", { uri: "remote://a" });
    await bridge.other(({ method }) =>
      method === "notifications/resources/updated"
    );
  },
);

each(
  "a remote that never answers costs a call its time limit and nothing else",
  async (_, remote, kind) => {
    await using bridge = new Bridge(["--timeout", "500ms", kind.url(remote)]);
    await bridge.initialize();
    remote.fail({ hang: true }, { when: isCall });
    const begun = performance.now();
    assertMatch(
      (await bridge.call("echo")).error.message,
      /gave no answer to "tools\/call" within 0\.5 s/,
    );
    assert(performance.now() - begun < 3000);
    await until(
      "the cancellation",
      () => remote.count("notifications/cancelled") === 1,
    );
    assertEquals(textOf(await bridge.call("echo", { text: "on" })), "on");
  },
);

each(
  "progress keeps a call alive beyond the time limit",
  async (_, remote, kind) => {
    await using bridge = new Bridge(["--timeout", "600ms", kind.url(remote)]);
    await bridge.initialize();
    assertEquals(
      textOf(
        await bridge.call("progress", { n: 8, ms: 200 }, { progressToken: 1 }),
      ),
      "progressed 8",
    );
  },
  KINDS.slice(1),
);

Deno.test("what is no MCP server is named for what it is", async () => {
  const cases: {
    status: number;
    body?: string;
    headers?: Record<string, string>;
    says: RegExp;
  }[] = [
    {
      status: 200,
      body: "<html>Welcome</html>",
      headers: { "content-type": "text/html" },
      says:
        /answered with text\/html, not with JSON-RPC; is this the URL of an MCP server\?/,
    },
    {
      status: 404,
      body: "<html>nope</html>",
      headers: { "content-type": "text/html; charset=utf-8" },
      says:
        /answered 404 Not Found with text\/html, not with JSON-RPC; is this the URL/,
    },
    {
      status: 500,
      body: "oops",
      headers: { "content-type": "text/plain" },
      says:
        /answered 500 Internal Server Error with text\/plain, not with JSON-RPC \("oops"\)/,
    },
    {
      status: 401,
      says:
        /refuses access \(401 Unauthorized\); give a token with --api-access-token/,
    },
    {
      status: 403,
      body:
        '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"not you"}}',
      headers: { "content-type": "application/json" },
      says: /refuses access \(403 Forbidden: not you\); give a token/,
    },
    {
      status: 429,
      headers: { "retry-after": "120" },
      says: /answered 429 Too Many Requests; try again in 120 s/,
    },
    { status: 502, says: /answered 502 Bad Gateway without a body/ },
    {
      status: 200,
      body: "not json",
      headers: { "content-type": "application/json" },
      says: /Parse error/,
    },
    {
      status: 200,
      body: '{"jsonrpc":"2.0","id":99,"result":{}}',
      headers: { "content-type": "application/json" },
      says: /without a response/,
    },
    {
      status: 200,
      body: "",
      headers: { "content-type": "application/json" },
      says: /lost/,
    },
    { status: 204, says: /gave no answer/ },
  ];
  const remote = startRemote();
  try {
    await using bridge = new Bridge([
      "--transport",
      "streamablehttp",
      remote.url,
    ]);
    for (const { says, ...fault } of cases) {
      remote.fail(fault, { times: 2 });
      assertMatch((await bridge.request("initialize", {})).error.message, says);
      remote.mend();
    }
    // 503 with a short wait is the server's way to say: not yet.
    remote.fail({ status: 503, headers: { "retry-after": "1" } });
    assertEquals((await bridge.initialize()).result.serverInfo.name, "remote");
  } finally {
    await remote.close();
  }
});

Deno.test("errors with a status keep code, message and data, whatever their id", async () => {
  const remote = startRemote();
  try {
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    for (const id of ["null", '"server-error"', "77"]) {
      const body =
        `{"jsonrpc":"2.0","id":${id},"error":{"code":-32099,"message":"m","data":{"a":[1]}}}`;
      for (const status of [400, 500]) {
        remote.fail({
          status,
          body,
          headers: { "content-type": "application/json" },
        }, { when: isCall });
        assertEquals((await bridge.call("echo")).error, {
          code: -32099,
          message: "m",
          data: { a: [1] },
        });
      }
    }
  } finally {
    await remote.close();
  }
});

Deno.test("a session that is called unknown with 400, as old servers do, is made anew", async () => {
  const remote = startRemote();
  try {
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    const body =
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}';
    remote.fail({
      status: 400,
      body,
      headers: { "content-type": "application/json" },
    }, { when: isCall });
    assertEquals(
      textOf(await bridge.call("echo", { text: "on", key: "k" })),
      "on",
    );
    assertEquals(remote.runs.get("k"), 1);
    assertEquals(remote.count("initialize"), 2);
  } finally {
    await remote.close();
  }
});

Deno.test("a server that calls every session unknown is asked twice, not for ever", async () => {
  const remote = startRemote();
  try {
    await using bridge = new Bridge([remote.url]);
    await bridge.initialize();
    remote.fail({ status: 404 }, { times: 1000, when: isCall });
    assertMatch((await bridge.call("echo")).error.message, /answered 404/);
    assertEquals(remote.count("tools/call"), 2);
  } finally {
    await remote.close();
  }
});

Deno.test("a redirect on the same server is followed, with method and body", async () => {
  for (const code of [301, 302, 307, 308]) {
    const remote = startRemote();
    try {
      await using bridge = new Bridge([remote.url]);
      remote.fail({ redirect: "/moved", code }, {
        times: 1000,
        when: ({ path }) => path === "/mcp",
      });
      await bridge.initialize();
      assertEquals(
        textOf(await bridge.call("echo", { text: "moved" })),
        "moved",
      );
      assertEquals(await bridge.close(), 0);
      assertEquals(remote.sessions(), []);
    } finally {
      await remote.close();
    }
  }
});

Deno.test("a redirect to another server is refused, and nothing secret goes there", async () => {
  const remote = startRemote(), other = startRemote();
  try {
    await using bridge = new Bridge([
      "--api-access-token",
      "secret-token",
      remote.url,
    ]);
    remote.fail({ redirect: other.url }, { times: 1000 });
    const { error } = await bridge.request("initialize", {});
    assertMatch(
      error.message,
      /redirects \(307\) to http:\/\/127.0.0.1:\d+\/mcp, which is another server/,
    );
    assertEquals(other.requests.length, 0);
    remote.mend();
    remote.fail({ redirect: "/mcp" }, { times: 1000 });
    assertMatch(
      (await bridge.request("initialize", {})).error.message,
      /the redirect number 6/,
    );
  } finally {
    await remote.close();
    await other.close();
  }
});

Deno.test("an HTTP+SSE server that wants messages sent elsewhere gets none", async () => {
  const remote = startRemote({ endpoint: "foreign" });
  try {
    await using bridge = new Bridge(["--transport", "sse", remote.sseUrl]);
    assertMatch(
      (await bridge.request("initialize", {})).error.message,
      /which is another server; nothing is sent there/,
    );
    assertEquals(remote.requests.filter(({ method }) => method === "POST"), []);
  } finally {
    await remote.close();
  }
});

Deno.test("an HTTP+SSE server may name the whole URL for messages", async () => {
  const remote = startRemote({ endpoint: "url" });
  try {
    await using bridge = new Bridge([remote.sseUrl]);
    await bridge.initialize();
    assertEquals(textOf(await bridge.call("echo", { text: "x" })), "x");
  } finally {
    await remote.close();
  }
});
