/** The leg of a remote server, without the program around it: the sanitizers see every timer and socket that it leaves. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { readFrame } from "../../lib/mcp/frame.ts";
import * as message from "../../lib/mcp/message.ts";
import type { UpstreamLeg } from "../../lib/wire/leg.ts";
import { openRemote, type RemoteTransport } from "../../lib/wire/remote.ts";
import { openTrust } from "../../lib/wire/tls.ts";
import {
  type Remote,
  type RemoteOptions,
  startRemote,
} from "../fixtures/remote_server.ts";
import { INITIALIZE, until } from "../bridge/kit.ts";

interface Reports {
  received: string[];
  failed: string[];
  lost: number[][];
}

/** A leg, what it reports, and a way to send requests. */
async function withLeg(
  options: RemoteOptions,
  transport: RemoteTransport,
  test: (
    leg: UpstreamLeg,
    reports: Reports,
    remote: Remote,
    ask: (id: number, method: string, params?: unknown) => void,
  ) => Promise<void>,
): Promise<void> {
  const remote = startRemote(options);
  const trust = await openTrust({ verify: true, caFiles: [] }, () => undefined);
  const reports: Reports = { received: [], failed: [], lost: [] };
  const url = transport === "sse" ? remote.sseUrl : remote.url;
  const leg = openRemote({ url, transport, headers: {}, fetch: trust.fetch }, {
    receive: (frame) =>
      void reports.received.push(`${frame.id}${frame.method}`),
    failed: (id, text) => void reports.failed.push(`${id}: ${text}`),
    lost: (_, undelivered) => void reports.lost.push(undelivered),
    closed: () => {
      throw new Error("a remote leg is never gone for good");
    },
  });
  const ask = (id: number, method: string, params: unknown = {}) => {
    const bytes = message.request(id, method, params);
    leg.send(bytes, readFrame(bytes), id);
  };
  try {
    await test(leg, reports, remote, ask);
  } finally {
    await leg.close();
    trust.close();
    await remote.close();
  }
}

async function begin(
  leg: UpstreamLeg,
  reports: Reports,
  ask: (id: number, method: string, params?: unknown) => void,
) {
  ask(1, "initialize", INITIALIZE);
  await until("the answer", () => reports.received.includes("1"));
  const bytes = message.notification("notifications/initialized");
  leg.send(bytes, readFrame(bytes), 0);
}

for (const transport of ["auto", "streamable-http", "sse"] as const) {
  Deno.test(`a leg that is closed leaves nothing behind (${transport})`, () =>
    withLeg({}, transport, async (leg, reports, remote, ask) => {
      await begin(leg, reports, ask);
      ask(2, "tools/call", { name: "echo" });
      await until("the answer", () => reports.received.includes("2"));
      await until("the stream", () => remote.openStreams() === 1);
      await leg.close();
      await until("the end of the stream", () => remote.openStreams() === 0);
      assertEquals(remote.sessions(), []);
      ask(3, "ping");
      assertMatch(reports.failed.join(), /^3: The connection to .* is closed$/);
    }));

  Deno.test(`a leg can be closed in the middle of everything (${transport})`, () =>
    withLeg({}, transport, async (leg, reports, remote, ask) => {
      await begin(leg, reports, ask);
      ask(2, "ping");
      await until("the answer", () => reports.received.includes("2"));
      remote.fail({ hang: true }, {
        when: ({ frame }) => frame?.method === "tools/call",
      });
      ask(3, "tools/call", { name: "echo" });
      await until("the call", () => remote.count("tools/call") === 1);
      const begun = performance.now();
      await leg.close();
      assert(performance.now() - begun < 1000);
      assertEquals(reports.failed, []);
    }));

  Deno.test(`a leg can be closed while it waits for its server to come back (${transport})`, () =>
    withLeg({}, transport, async (leg, reports, remote, ask) => {
      await begin(leg, reports, ask);
      ask(2, "ping");
      await until("the answer", () => reports.received.includes("2"));
      await remote.stop();
      ask(3, "tools/list");
      await new Promise((resolve) => setTimeout(resolve, 300));
      const begun = performance.now();
      await leg.close();
      assert(performance.now() - begun < 1000);
    }));

  Deno.test(`a leg can be closed before its server has answered anything (${transport})`, () =>
    withLeg({}, transport, async (leg, _, remote, ask) => {
      remote.fail({ hang: true });
      ask(1, "initialize", INITIALIZE);
      await until("the request", () => remote.requests.length === 1);
      await leg.close();
    }));
}

Deno.test("a request after a lost session is handed back until there is a new one", () =>
  withLeg({}, "streamable-http", async (leg, reports, remote, ask) => {
    await begin(leg, reports, ask);
    ask(2, "ping");
    await until("the answer", () => reports.received.includes("2"));
    remote.forget();
    ask(3, "tools/call", { name: "echo" });
    await until("the loss", () => reports.lost.some((ids) => ids.includes(3)));
    ask(4, "tools/list");
    await until("the loss", () => reports.lost.some((ids) => ids.includes(4)));
    ask(5, "initialize", INITIALIZE);
    await until("the new session", () => reports.received.includes("5"));
    ask(3, "tools/call", { name: "echo" });
    await until("the answer", () => reports.received.includes("3"));
    assertEquals(reports.failed, []);
  }));
