/** The key is in no output, whatever an upstream does with it, and whatever is logged. */

import { assert, assertEquals } from "@std/assert";
import { answer, error, page, redirect } from "../fixtures/fake_answers.ts";
import { type Behaviour, FAKE_KEY } from "../fixtures/fake_messages.ts";
import { withAsk } from "./kit.ts";

const KEY = FAKE_KEY;

/** An upstream that repeats the key wherever it can. */
const TELLTALES: Behaviour[] = [
  answer({
    text: `Your key is ${KEY}`,
    model: `model-of-${KEY}`,
    stopReason: KEY,
  }),
  error(
    400,
    `type_${KEY}`,
    `You sent x-api-key: ${KEY} and Authorization: Bearer ${KEY}`,
    { "request-id": KEY },
  ),
  error(529, "overloaded_error", `${KEY} is busy`, { "retry-after-ms": "1" }),
  page(200, `text/${KEY}`, `<h1>x-api-key: ${KEY}</h1>`),
  page(503, "text/plain", `${"x".repeat(280)} ${KEY}`),
  page(
    200,
    "application/json",
    `{"error":{"type":"${KEY}","message":"${KEY}"}}`,
  ),
  page(200, "application/json", `{"choices":["${KEY}"]}`),
  redirect(`https://elsewhere.example/${KEY}?key=${KEY}#${KEY}`),
  redirect(`/v1/messages?key=${KEY}`),
  answer({ text: `${KEY} ${KEY}`, fault: { after: 1, as: "cut" } }),
  answer({ fault: { after: 1, as: { type: KEY, message: KEY } } }),
  (call) => {
    call.begin("text/event-stream");
    call.write(`event: ${KEY}\ndata: ${KEY}\n\n`);
    call.end();
  },
  (call) => call.cut(),
];

for (const [format, retries] of [["text", "1"], ["json", "0"]] as const) {
  Deno.test(`the key is in no output, even where everything is logged (${format})`, () =>
    withAsk(async (ask, fake) => {
      await ask.initialize();
      await ask.request("tools/list");
      for (const behaviour of TELLTALES) {
        for (const meta of [undefined, { progressToken: 1 }]) {
          fake.behaviour = behaviour;
          const { result } = await ask.ask({ prompt: "Hi" }, meta);
          assertEquals(result.content.length, 1);
        }
      }
      await ask.raw("no message\n");
      await ask.request("no/such");
      // Both outputs are searched when the program has ended; this shows that there was something to find.
      assert(fake.asked.every(({ headers }) => headers["x-api-key"] === KEY));
      assert(ask.lines.join("").includes("Your key is ***"));
      assert(ask.stderr.includes("***"));
    }, {
      args: ["--debug", "--log-format", format],
      env: { CLAUDE_MCP_MAX_RETRIES: retries },
    }));
}
