/** The official conformance suite through `aggregate`: one server's endpoint, and all of them as one. */

import { assertEquals } from "@std/assert";
import { type Aggregate, aggregating, configOf } from "../aggregate/kit.ts";
import { fixture } from "../program.ts";
import { conformance, type Requirements } from "./suite.ts";

const BOTH: Requirements[] = ["2025-11-25", "2026-07-28"];
/** Extensions that the fixture does not have: they fail directly as well. They do not count. */
const ABSENT = /^tasks-/;

const [command, ...args] = fixture("conformance_server.ts", "--stdio");
const config = () =>
  configOf({
    before: { command, args },
    suite: { command, args, options: { prefix: false } },
    after: { command, args },
  });

/** Two clients at once run each set. */
async function passes(t: Deno.TestContext, url: string): Promise<void> {
  for (const set of BOTH) {
    await t.step(`what ${set} requires, twice at once`, async () => {
      const outcomes = await Promise.all([
        conformance(url, set),
        conformance(url, set),
      ]);
      for (const { failed, unscored } of outcomes) {
        const wrong = [...failed, ...unscored.failed].filter(({ scenario }) =>
          !ABSENT.test(scenario)
        );
        assertEquals(wrong, []);
      }
    });
  }
}

const through =
  (url: (aggregate: Aggregate) => string) =>
  (t: Deno.TestContext): Promise<void> =>
    aggregating(config(), (aggregate) => passes(t, url(aggregate)));

Deno.test(
  "one server of aggregate conforms on its own route",
  through((aggregate) => aggregate.named("suite")),
);

Deno.test(
  "the combined endpoint conforms with three servers behind it",
  through((aggregate) => aggregate.mcp),
);
