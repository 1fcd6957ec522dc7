/** The page for people, and what scripts and orchestrators ask for. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { until } from "../serve/kit.ts";
import {
  aggregating,
  bearer,
  configOf,
  legacyEntry,
  modernEntry,
} from "./kit.ts";

Deno.test("the page shows states, tools and configs for clients, and runs no scripts", () =>
  aggregating(
    configOf({
      good: legacyEntry({ toolFilter: { mode: "block", list: ["echo"] } }),
      "<b>odd</b>": legacyEntry(),
      bad: legacyEntry({}, "--die-at-start"),
      new: modernEntry(),
    }, { name: "<i>Mine</i>" }),
    async (aggregate) => {
      await until(
        "it has failed",
        async () => (await aggregate.server("bad")).state === "failed",
      );
      await until("the others are up", async () => {
        const { servers } = await aggregate.status();
        return servers.new.era === "modern" &&
          ["good", "<b>odd</b>", "new"].every((name) =>
            servers[name].state === "running"
          );
      });
      const response = await fetch(`${aggregate.origin}/`);
      const policy = response.headers.get("content-security-policy") ?? "";
      assertStringIncludes(policy, "default-src 'none'");
      const html = await response.text();
      assert(!/<script|<b>odd|<i>Mine/i.test(html));
      assertStringIncludes(html, "&lt;i&gt;Mine");
      assertStringIncludes(html, "3 of 4 servers running");
      assertStringIncludes(html, "cannot start, as asked");
      assertStringIncludes(html, "<li>sleep</li>");
      assertStringIncludes(html, `${aggregate.origin}/mcp`);
      for (
        const client of ["Claude Code", "Claude Desktop", "VS Code", "Cursor"]
      ) {
        assertStringIncludes(html, client);
      }
      assertStringIncludes(html, "speaks only versions without initialize");
    },
  ));

Deno.test("a token opens the page, in a browser as a password, and is not on it", () =>
  aggregating(
    configOf({ a: legacyEntry() }, {
      options: { authTokens: ["open-sesame"] },
    }),
    async (aggregate) => {
      const refused = await fetch(`${aggregate.origin}/`);
      await refused.body?.cancel();
      assertEquals(refused.status, 401);
      assertStringIncludes(
        refused.headers.get("www-authenticate") ?? "",
        "Basic",
      );
      const basic = { authorization: `Basic ${btoa("me:open-sesame")}` };
      for (const headers of [basic, bearer("open-sesame")]) {
        const response = await fetch(`${aggregate.origin}/`, { headers });
        assertEquals(response.status, 200);
        const html = await response.text();
        assert(!html.includes("open-sesame"));
        assertStringIncludes(html, "MCP_PROXY_TOKEN");
      }
      const mcp = await fetch(aggregate.mcp, {
        method: "POST",
        headers: basic,
      });
      await mcp.body?.cancel();
      assertEquals(mcp.status, 401, "only pages take passwords");
    },
  ));

Deno.test("health: alive at once, ready when all servers are, degraded when one has failed", () =>
  aggregating(
    configOf({
      a: legacyEntry({ authTokens: ["T"] }),
      b: legacyEntry({}, "--slow-start", "800"),
    }),
    async (aggregate) => {
      const read = async (path: string) => {
        const response = await fetch(`${aggregate.origin}${path}`);
        return { code: response.status, ...await response.json() };
      };
      assertEquals(await read("/_healthz"), {
        code: 200,
        name: "All",
        serverCount: 2,
        status: "ok",
        version: "1.0.0",
      });
      const early = await read("/_readyz");
      assertEquals([early.code, early.status], [503, "initializing"]);
      await until("ready", async () => (await read("/_readyz")).code === 200);
      aggregate.write(configOf({
        a: legacyEntry({ authTokens: ["T"] }),
        b: legacyEntry({}, "--die-at-start"),
      }));
      const late = await until("degraded", async () => {
        const answer = await read("/_readyz");
        return answer.status === "degraded" && answer;
      });
      assertEquals([late.code, late.unhealthy], [503, ["b"]]);
    },
  ));

Deno.test("the log lines that people grep are there", () =>
  aggregating(
    configOf({
      a: legacyEntry({
        logEnabled: true,
        toolFilter: { mode: "allow", list: ["echo"] },
      }),
    }),
    async (aggregate) => {
      await until("it is up", () =>
        aggregate.stderr().includes("All clients initialized"));
      for (
        const line of [
          "<a> Adding tool echo",
          "<a> Ignoring tool sleep as its filter leaves it out",
          "<a> Handling requests at /a/",
        ]
      ) {
        assertStringIncludes(aggregate.stderr(), line);
      }
      await (await fetch(aggregate.named("a"), { method: "POST" })).body
        ?.cancel();
      await until("the request is told", () =>
        aggregate.stderr().includes("<a> Request [POST] /mcp"));
    },
  ));
