/** `ask` as an MCP server over stdio, in both eras of the protocol, and its end. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "npm:@modelcontextprotocol/client@2.4.0";
import { StdioClientTransport } from "npm:@modelcontextprotocol/client@2.4.0/stdio";
import config from "../../deno.json" with { type: "json" };
import { ENVELOPE } from "../bridge/kit.ts";
import { answer, silence } from "../fixtures/fake_answers.ts";
import { startFakeMessages } from "../fixtures/fake_messages.ts";
import { program } from "../program.ts";
import {
  Ask,
  assertClean,
  type Message,
  settings,
  until,
  withAsk,
} from "./kit.ts";

const OURSELVES = {
  name: "mcp-proxy",
  title: "Ask a model",
  version: config.version,
};
const PREFIX = "io.modelcontextprotocol/";

Deno.test("a client with a handshake gets its version, or the latest where it asks for an unknown one", (t) =>
  withAsk(async (ask) => {
    const cases = [
      ["2024-11-05", "2024-11-05"],
      ["2025-03-26", "2025-03-26"],
      ["2025-06-18", "2025-06-18"],
      ["2025-11-25", "2025-11-25"],
      ["2019-01-01", "2025-11-25"],
      ["2026-07-28", "2025-11-25"],
    ];
    for (const [wanted, given] of cases) {
      await t.step(wanted ?? "", async () => {
        const { result } = await ask.request("initialize", {
          protocolVersion: wanted,
          capabilities: {},
          clientInfo: { name: "host", version: "1" },
        });
        assertEquals(result, {
          protocolVersion: given,
          capabilities: { tools: {} },
          serverInfo: OURSELVES,
        });
        const { result: list } = await ask.request("tools/list");
        assertEquals(Object.keys(list), ["tools"]);
      });
    }
    assertEquals((await ask.request("ping")).result, {});
    const { error } = await ask.request("initialize", {});
    assertEquals([error.code, error.message], [
      -32602,
      "Invalid params: protocolVersion must be a string",
    ]);
  }));

Deno.test("a modern client is answered without a handshake", () =>
  withAsk(async (ask) => {
    const _meta = { [`${PREFIX}serverInfo`]: OURSELVES };
    const kept = { ttlMs: 300_000, cacheScope: "public" };
    assertEquals((await ask.modern("server/discover")).result, {
      resultType: "complete",
      ...kept,
      supportedVersions: ["2026-07-28"],
      capabilities: { tools: {} },
      _meta,
    });
    const { result: list } = await ask.modern("tools/list");
    assertEquals(list, {
      resultType: "complete",
      ...kept,
      tools: list.tools,
      _meta,
    });
    const call = (args: Record<string, unknown>) =>
      ask.modern("tools/call", { name: "ask_model", arguments: args }, {
        progressToken: "m",
      });
    const { result } = await call({ prompt: "Hi" });
    assertEquals([result.resultType, result._meta, result.ttlMs], [
      "complete",
      _meta,
      undefined,
    ]);
    assertEquals(result.structuredContent.text, "You said: Hi");
    assert(ask.progress("m").length > 0);
    const { result: refused } = await call({});
    assertEquals([refused.resultType, refused.isError], ["complete", true]);
  }, { behaviour: answer({ pace: 300 }) }));

const { [`${PREFIX}protocolVersion`]: VERSION, ...WITHOUT_VERSION } =
  ENVELOPE as Record<string, unknown>;
const WITHOUT_CAPABILITIES = { [`${PREFIX}protocolVersion`]: VERSION };

const UNKNOWN_METHODS = [
  "prompts/list",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "logging/setLevel",
  "completion/complete",
  "sampling/createMessage",
  "tasks/list",
  "no/such",
];

Deno.test("requests that are wrong get the error that the protocol has for them", (t) =>
  withAsk(async (ask) => {
    const cases: [
      what: string,
      method: string,
      params: Message,
      error: Message,
    ][] = [
      ["an envelope without a version", "tools/list", {
        _meta: WITHOUT_VERSION,
      }, {
        code: -32602,
        message:
          `Invalid params: _meta["${PREFIX}protocolVersion"] must be a string`,
      }],
      ["an envelope without capabilities", "tools/list", {
        _meta: WITHOUT_CAPABILITIES,
      }, {
        code: -32602,
        message:
          `Invalid params: _meta["${PREFIX}clientCapabilities"] must be an object`,
      }],
      ["server/discover without an envelope", "server/discover", {}, {
        code: -32602,
        message:
          `Invalid params: _meta["${PREFIX}protocolVersion"] must be a string`,
      }],
      ["a version that nobody knows", "tools/list", {
        _meta: { ...ENVELOPE, [`${PREFIX}protocolVersion`]: "2099-01-01" },
      }, {
        code: -32022,
        message: 'Unsupported protocol version "2099-01-01"',
        data: { supported: ["2026-07-28"], requested: "2099-01-01" },
      }],
      ...["initialize", "ping", ...UNKNOWN_METHODS].map((
        method,
      ): [string, string, Message, Message] => [
        `${method} of a modern client`,
        method,
        { _meta: ENVELOPE },
        { code: -32601, message: `Method not found: ${method}` },
      ]),
      ...["subscriptions/listen", ...UNKNOWN_METHODS].map((
        method,
      ): [string, string, Message, Message] => [
        `${method} of a client with a handshake`,
        method,
        {},
        { code: -32601, message: `Method not found: ${method}` },
      ]),
      ["a cursor", "tools/list", { cursor: "" }, {
        code: -32602,
        message: "Invalid params: cursor is none of ours",
      }],
    ];
    for (const [what, method, params, error] of cases) {
      await t.step(what, async () => {
        assertEquals((await ask.request(method, params)).error, error);
      });
    }
  }));

Deno.test("a modern client that listens is told that nothing will change", () =>
  withAsk(async (ask) => {
    await ask.send({
      id: 12,
      method: "subscriptions/listen",
      params: { _meta: ENVELOPE, notifications: { toolsListChanged: true } },
    });
    const told = await ask.other();
    assertEquals(told.method, "notifications/subscriptions/acknowledged");
    assertEquals(told.params, {
      notifications: {},
      _meta: { [`${PREFIX}subscriptionId`]: 12 },
    });
    await ask.notify("notifications/cancelled", { requestId: 12 });
    assertEquals((await ask.request("ping")).result, {});
    assertEquals(ask.others, []);
  }));

Deno.test({
  name: "the SDK's client finds the modern era by itself, and its calls work",
  // The SDK's transport leaves timers behind when it is closed.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: callWithSdk,
});

async function callWithSdk(): Promise<void> {
  const fake = await startFakeMessages();
  const [command = "", ...args] = [...program(), "ask"];
  const client = new Client({ name: "host", version: "1" }, {
    versionNegotiation: { mode: "auto" },
  });
  const env = { ...Deno.env.toObject(), ...settings(fake) };
  await client.connect(
    new StdioClientTransport({ command, args, env, stderr: "ignore" }),
  );
  try {
    const { tools } = await client.listTools();
    assertEquals(tools.map(({ name }) => name), ["ask_model"]);
    const result = await client.callTool({
      name: "ask_model",
      arguments: { prompt: "Hi" },
    });
    assertEquals(
      (result.structuredContent as { text: string }).text,
      "You said: Hi",
    );
  } finally {
    await client.close();
    await fake.close();
  }
}

Deno.test("ids come back as they were, of whatever type", () =>
  withAsk(async (ask) => {
    for (const id of [0, -1, 7, "7", "ü\u2028", "", 2 ** 53 - 1, 1.5]) {
      assertEquals((await ask.request("ping", undefined, id)).id, id);
    }
    await ask.begin({ prompt: "Hi" }, undefined, "same");
    const { error } = await ask.ask({ prompt: "Hi" }, undefined, "same");
    assertEquals(error, {
      code: -32600,
      message: 'Invalid request: id "same" is in use',
    });
    const { result } = await ask.other(({ id }) => id === "same");
    assertEquals(result.structuredContent.text, "You said: Hi");
  }, { behaviour: answer({ pace: 200 }) }));

Deno.test("what is no message gets an error, and the session goes on", () =>
  withAsk(async (ask) => {
    const cases: [line: string, code: number][] = [
      ["hello", -32700],
      ['{"jsonrpc":"2.0","id":1,"method":', -32700],
      ["42", -32600],
      ['{"jsonrpc":"2.0","id":5}', -32600],
      ['{"jsonrpc":"2.0","id":5,"method":"ping","params":[]}', -32600],
      ['[{"jsonrpc":"2.0","id":5,"method":"ping"}]', -32600],
    ];
    for (const [line, code] of cases) {
      await ask.raw(`${line}\r\n\n`);
      const { error } = await ask.other();
      assertEquals(error.code, code, line);
    }
    await ask.raw('{"jsonrpc":"2.0","id":5,"result":{}}\n');
    assertEquals((await ask.request("ping")).result, {});
  }));

Deno.test("a client of 2025-03-26 may send a batch", () =>
  withAsk(async (ask) => {
    await ask.initialize({
      protocolVersion: "2025-03-26",
      capabilities: {},
      clientInfo: { name: "host", version: "1" },
    });
    await ask.raw(
      '[{"jsonrpc":"2.0","id":"a","method":"ping"},{"jsonrpc":"2.0","id":"b","method":"ping"}]\n',
    );
    assertEquals([(await ask.other()).id, (await ask.other()).id], ["a", "b"]);
  }));

Deno.test("the end of stdin breaks off what runs, and the exit code is 0", () =>
  withAsk(async (ask, fake) => {
    await ask.begin({ prompt: "Hi" }, { progressToken: 1 }, 1);
    await ask.begin({ prompt: "Hi" }, undefined, 2);
    await until("the API is asked", () => fake.asked.length === 2);
    const began = performance.now();
    assertEquals(await ask.close(), 0);
    assert(performance.now() - began < 1000);
    await until(
      "both requests are broken off",
      () => fake.aborts === 2 && fake.sockets === 0,
    );
    assertEquals(ask.lines, []);
  }, { behaviour: silence }));

Deno.test("what was answered before stdin ended is still written", async () => {
  const fake = await startFakeMessages();
  await using ask = new Ask([], settings(fake), "ask");
  const ids = Array.from({ length: 500 }, (_, id) => id);
  await ask.raw(
    ids.map((id) => `{"jsonrpc":"2.0","id":${id},"method":"tools/list"}\n`)
      .join(""),
  );
  assertEquals(await ask.close(), 0);
  assertEquals(ask.lines.map((line) => JSON.parse(line).id), ids);
  await fake.close();
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test({
    name: `${signal} breaks off what runs, and the exit code is 0`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const fake = await startFakeMessages({ behaviour: silence });
      await using ask = new Ask([], settings(fake), "ask");
      await ask.begin({ prompt: "Hi" }, undefined, 1);
      await until("the API is asked", () => fake.asked.length === 1);
      ask.kill(signal);
      assertEquals(await ask.ended(), 0);
      await until("the request is broken off", () => fake.aborts === 1);
      assertClean(ask);
      await fake.close();
    },
  });
}

Deno.test("stdout carries nothing but the protocol, even where everything is logged", () =>
  withAsk(async (ask) => {
    await ask.initialize();
    await ask.ask({ prompt: "Hi" });
    await ask.ask({ prompt: "Hi", model: "nope" });
    assertEquals(ask.lines.length, 3);
    assertMatch(ask.stderr, /"level":"warn"/);
    for (const line of ask.stderr.trimEnd().split("\n")) JSON.parse(line);
  }, { args: ["--debug", "--log-format", "json"] }));
