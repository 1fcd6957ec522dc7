/** What the tests of `ask` share: the program between a host and a fake Messages API, and an eye on the key. */

import { assert, assertEquals } from "@std/assert";
import { Bridge as Host, type Message } from "../bridge/kit.ts";
import {
  type Behaviour,
  FAKE_KEY,
  type FakeMessages,
  startFakeMessages,
} from "../fixtures/fake_messages.ts";

export { soon, until } from "../bridge/kit.ts";
export type { Message };

/** How to start. */
export interface Start {
  /** Flags. */
  args?: string[];
  /** Variables beside the two that are needed; these can be set to `""` here. */
  env?: Record<string, string>;
  /** What the fake does. */
  behaviour?: Behaviour;
  /** How much of a second of the fake's clock is a second. */
  speed?: number;
}

/** The program, as a host runs it, with what a test of `ask` asks for. */
export class Ask extends Host {
  /** Calls the tool. */
  ask(
    args: Record<string, unknown>,
    meta?: Record<string, unknown>,
    id?: unknown,
  ): Promise<Message> {
    return this.request("tools/call", call(args, meta), id);
  }

  /** Calls the tool, and waits for no answer. */
  begin(
    args: Record<string, unknown>,
    meta: Record<string, unknown> | undefined,
    id: unknown,
  ): Promise<void> {
    return this.send({ id, method: "tools/call", params: call(args, meta) });
  }

  /** The progress notifications so far that carry this token. */
  progress(token: string | number): Message[] {
    return this.others.filter(({ method, params }) =>
      method === "notifications/progress" && params.progressToken === token
    ).map(({ params }) => params);
  }
}

function call(
  args: Record<string, unknown>,
  meta: Record<string, unknown> | undefined,
): Record<string, unknown> {
  return { name: "ask_model", arguments: args, ...meta && { _meta: meta } };
}

/** The variables that are needed. */
export function settings(fake: FakeMessages): Record<string, string> {
  return { CLAUDE_MCP_BASE_URL: fake.url, CLAUDE_MCP_API_KEY: FAKE_KEY };
}

/**
 * Runs the program against a fake. In the end it has ended by itself with exit code 0, its stdout is all JSON-RPC, and
 * the key is nowhere.
 */
export async function withAsk(
  test: (ask: Ask, fake: FakeMessages) => Promise<void>,
  { args = [], env = {}, behaviour, speed }: Start = {},
): Promise<void> {
  const fake = await startFakeMessages({
    ...behaviour && { behaviour },
    ...speed && { speed },
  });
  try {
    await using ask = new Ask(args, { ...settings(fake), ...env }, "ask");
    await test(ask, fake);
    assertEquals(await ask.close(), 0, ask.stderr);
    assertClean(ask);
  } finally {
    await fake.close();
  }
}

/** Makes sure that stdout is protocol, and that the key is in neither output. */
export function assertClean(ask: Ask): void {
  for (const line of ask.lines) {
    assertEquals(JSON.parse(line).jsonrpc, "2.0", line);
  }
  const all = ask.lines.join("\n") + ask.stderr;
  // No part of it either, and in no letter case.
  assert(!/zq81vn/i.test(all), `the key is in the output:\n${all}`);
}

/** The text of a result, and whether it tells a failure. */
export function outcome(answer: Message): { text: string; failed: boolean } {
  const { content, isError = false } = answer.result ??
    { content: [{ text: JSON.stringify(answer) }] };
  assertEquals(content.length, 1);
  return { text: content[0].text, failed: isError };
}

/** The text of a failure. */
export function failure(answer: Message): string {
  const { text, failed } = outcome(answer);
  assert(failed, `this is no failure: ${text}`);
  assertEquals(answer.result.structuredContent, undefined);
  return text;
}
