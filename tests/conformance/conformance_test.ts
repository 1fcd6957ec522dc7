/** The official conformance suite, directly against a fixture and through each shape of the program. */

import { assertEquals } from "@std/assert";
import {
  fixture,
  program,
  type Running,
  startListening,
  startServe,
} from "../program.ts";
import { conformance, type Requirements } from "./suite.ts";

const BOTH: Requirements[] = ["2025-11-25", "2026-07-28"];
const SERVER = "conformance_server.ts";
const stdio = fixture(SERVER, "--stdio");

/** Extensions that the fixture does not have: they fail directly as well. They do not count. */
const ABSENT = /^tasks-/;

/** What a server without sessions cannot pass, and why. */
const STATELESS: Partial<Record<Requirements, Record<string, string>>> = {
  "2025-11-25": {
    "server-sse-multiple-streams":
      "gives up with a warning when there is no session id",
    "tools-call-sampling":
      "the server asks the client, whose answer needs a session to come back to",
    "tools-call-elicitation": "the same",
    "elicitation-sep1034-defaults": "the same",
    "elicitation-sep1330-enums": "the same",
    "server-sse-polling": "wants to resume a stream of its session",
  },
};

/** Runs the requirement sets one after the other; `except` has to fail, and nothing else may. */
async function passes(
  t: Deno.TestContext,
  url: string,
  sets = BOTH,
  except: typeof STATELESS = {},
): Promise<void> {
  for (const set of sets) {
    await t.step(`what ${set} requires`, async () => {
      const { passed, failed, unscored } = await conformance(url, set);
      const excused = except[set] ?? {};
      const unexpected = [...failed, ...unscored.failed].filter(
        ({ scenario }) => {
          return !(scenario in excused) && !ABSENT.test(scenario);
        },
      );
      assertEquals(unexpected, []);
      const needless = [...passed, ...unscored.passed].filter((scenario) =>
        scenario in excused
      );
      assertEquals(needless, [], "these pass: take them off the list");
    });
  }
}

/** Stops what has been started, the last one first. */
async function using(
  run: (start: (made: Promise<Running>) => Promise<Running>) => Promise<void>,
) {
  const started: Running[] = [];
  try {
    await run(async (made) => {
      const running = await made;
      started.unshift(running);
      return running;
    });
  } finally {
    for (const { stop } of started) await stop();
  }
}

const remote = (...args: string[]) => startListening(fixture(SERVER, ...args));
const serve = (...args: string[]) =>
  startServe(["--pass-environment", ...args]);
const bridge = (url: string, ...flags: string[]) =>
  serve("--", ...program(), "bridge", ...flags, url);
const quoted = (words: string[]) => words.map((word) => `'${word}'`).join(" ");

Deno.test("the fixture conforms when a client talks to it directly", (t) =>
  using(async (start) => {
    const { url } = await start(remote("--http", "0"));
    await passes(t, `${url}/mcp`);
  }));

Deno.test("the fixture conforms when it answers with JSON", (t) =>
  using(async (start) => {
    const { url } = await start(remote("--http", "0", "--json"));
    await passes(t, `${url}/mcp`);
  }));

Deno.test("a stdio server behind serve conforms", (t) =>
  using(async (start) => {
    const { url } = await start(serve("--", ...stdio));
    await passes(t, url);
  }));

Deno.test("a named server behind serve conforms", (t) =>
  using(async (start) => {
    const { port } = await start(
      serve("--named-server", "fixture", quoted(stdio)),
    );
    await passes(t, `http://127.0.0.1:${port}/servers/fixture/mcp`);
  }));

Deno.test("one process for all clients conforms (serve --isolation shared)", (t) =>
  using(async (start) => {
    const { url } = await start(serve("--isolation", "shared", "--", ...stdio));
    await passes(t, url);
  }));

Deno.test("serve --stateless conforms as far as one can without sessions", (t) =>
  using(async (start) => {
    const { url } = await start(serve("--stateless", "--", ...stdio));
    await passes(t, url, BOTH, STATELESS);
  }));

Deno.test("a remote server behind bridge and serve conforms", (t) =>
  using(async (start) => {
    const { url } = await start(remote("--http", "0"));
    const front = await start(bridge(`${url}/mcp`));
    await passes(t, front.url);
  }));

Deno.test("a remote server that answers with JSON conforms behind bridge and serve", (t) =>
  using(async (start) => {
    const { url } = await start(remote("--http", "0", "--json"));
    const front = await start(bridge(`${url}/mcp`));
    await passes(t, front.url);
  }));

Deno.test("a remote HTTP+SSE server behind bridge and serve conforms", (t) =>
  using(async (start) => {
    const { url } = await start(remote("--sse", "0"));
    const front = await start(bridge(`${url}/sse`));
    await passes(t, front.url, ["2025-11-25"]);
  }));

Deno.test("a stdio server behind two bridges in a row conforms", (t) =>
  using(async (start) => {
    const { url } = await start(serve("--", ...stdio));
    const second = await start(bridge(url));
    const third = await start(bridge(second.url));
    await passes(t, third.url);
  }));
