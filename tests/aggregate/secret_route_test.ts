import { assertEquals, assertStringIncludes } from "@std/assert";
import { aggregating, configOf, legacyEntry } from "./kit.ts";
import { hello, post, Session } from "../serve/kit.ts";

const SECRET = "fetch/2b7e151628aed2a6abf7";

Deno.test("a server behind a route that is hard to guess is told of to nobody without a token", () =>
  aggregating(
    configOf({
      [SECRET]: legacyEntry({ authTokens: [] }),
      open: legacyEntry({ authTokens: [] }),
      closed: legacyEntry({ authTokens: ["tok"] }),
    }),
    async (aggregate) => {
      const direct = await post(aggregate.named(SECRET), hello());
      assertEquals(direct.status, 200);
      await direct.body?.cancel();
      const anybody = await Session.open(aggregate.mcp);
      const { message } = await anybody.send({
        jsonrpc: "2.0",
        id: 1,
        method: "tools/list",
      });
      const tools = JSON.stringify(message);
      assertStringIncludes(tools, "open__echo");
      assertEquals(tools.includes("2b7e"), false);
      for (const route of ["/", "/status", "/metrics", "/_readyz"]) {
        const told = await (await fetch(`${aggregate.origin}${route}`)).text();
        assertEquals(told.includes("2b7e"), false, route);
      }
      const known = await (await fetch(`${aggregate.origin}/status`, {
        headers: { authorization: "Bearer tok" },
      })).text();
      assertStringIncludes(known, SECRET);
    },
  ));
