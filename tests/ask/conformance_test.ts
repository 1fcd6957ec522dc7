/** The conformance suite through `serve -- mcp-proxy ask`: all that a server with one tool of its own can pass. */

import { assertEquals } from "@std/assert";
import {
  conformance,
  type Outcome,
  type Requirements,
} from "../conformance/suite.ts";
import { startFakeMessages } from "../fixtures/fake_messages.ts";
import { program, startServe } from "../program.ts";
import { settings } from "./kit.ts";

/** The scenarios that need nothing but a server with a tool. */
const WHOLE: Record<Requirements, string[]> = {
  "2025-11-25": [
    "dns-rebinding-protection",
    "ping",
    "server-initialize",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "tools-list",
  ],
  "2026-07-28": [
    "dns-rebinding-protection",
    "http-header-validation",
    "input-required-result-unsupported-methods",
    "input-required-result-validate-input",
    "server-sse-multiple-streams",
    "tools-list",
  ],
};

/** Scenarios of which a part wants tools or lists that we do not have, and how the suite says so. */
const IN_PART: Record<string, RegExp> = {
  "server-stateless": /Not testable: server does not list the diagnostic tool/,
  caching:
    /(?:prompts|resources|resources\/templates)\/list returned JSON-RPC error -32601/,
};

/** What went wrong in a scenario, a line for each check, without what the suite could not try. */
function faults({ failed, unscored }: Outcome, name: string): string[] {
  const found = [...failed, ...unscored.failed].find(({ scenario }) =>
    scenario === name
  );
  const excuse = IN_PART[name];
  return (found?.reason.split("\n") ?? []).filter((line) =>
    !excuse?.test(line)
  );
}

Deno.test("a model behind serve conforms as far as a server with one tool can", async (t) => {
  const fake = await startFakeMessages();
  const serve = await startServe([
    "--pass-environment",
    "--",
    ...program(),
    "ask",
  ], settings(fake));
  try {
    for (const set of ["2025-11-25", "2026-07-28"] as const) {
      await t.step(`what ${set} requires`, async () => {
        const outcome = await conformance(serve.url, set);
        const passed = [...outcome.passed, ...outcome.unscored.passed];
        for (const scenario of WHOLE[set]) {
          assertEquals(faults(outcome, scenario), [], scenario);
          assertEquals(passed.includes(scenario), true, scenario);
        }
        for (const scenario of Object.keys(IN_PART)) {
          assertEquals(faults(outcome, scenario), [], scenario);
        }
      });
    }
  } finally {
    await serve.stop();
    await fake.close();
  }
});
