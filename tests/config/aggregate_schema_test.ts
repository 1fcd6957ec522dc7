import { assert, assertEquals } from "@std/assert";
import { parse } from "@std/jsonc/parse";
import { z } from "zod";
import { jsonSchema } from "../../lib/config/aggregate_schema.ts";

const DOCUMENTED = await Deno.readTextFile(
  new URL("../fixtures/documented_config.jsonc", import.meta.url),
);

Deno.test("the JSON Schema takes what is documented, and nothing misspelt", () => {
  const schema = z.fromJSONSchema(
    jsonSchema() as Parameters<typeof z.fromJSONSchema>[0],
  );
  const good: unknown[] = [
    parse(DOCUMENTED),
    { $schema: "./schema.json", mcpServers: {} },
    { mcpServers: { a: { command: "${CMD:-npx}", env: { A: 1, B: true } } } },
    {
      mcpProxy: { options: { authTokens: ["a"] } },
      mcpServers: {
        "a/b": {
          url: "http://x",
          transportType: "auto",
          timeout: "30s",
          headers: { A: "b" },
          isolation: "shared",
          options: {
            disabled: true,
            prefix: false,
            forwardHeaders: ["authorization"],
            toolFilter: { mode: "allow", list: ["a*"] },
          },
        },
      },
    },
  ];
  for (const config of good) {
    const result = schema.safeParse(config);
    assert(result.success, result.error?.message);
  }
  const bad: unknown[] = [
    {},
    { mcpservers: {} },
    { mcpServers: { a: { comand: "x" } } },
    { mcpServers: { a: { command: 7 } } },
    { mcpServers: { a: { command: "x", args: "y" } } },
    { mcpServers: { a: { url: "x", transportType: "carrier" } } },
    { mcpServers: { a: { options: { toolFilter: { mode: "only" } } } } },
    { mcpServers: {}, mcpProxy: { type: "websocket" } },
    { mcpServers: {}, mcpProxy: { options: { toolFilter: {} } } },
  ];
  for (const config of bad) {
    assertEquals(
      schema.safeParse(config).success,
      false,
      JSON.stringify(config),
    );
  }
});

Deno.test("every key of the JSON Schema is described, for editors", () => {
  const bare: string[] = [];
  const walk = (schema: object, path: string) => {
    if ("properties" in schema) {
      for (const [key, one] of Object.entries(schema.properties as object)) {
        if (!one.description) bare.push(`${path}.${key}`);
        walk(one, `${path}.${key}`);
      }
    }
    for (const inner of ["additionalProperties", "items"] as const) {
      const one = (schema as Record<string, unknown>)[inner];
      if (typeof one === "object" && one !== null) walk(one, `${path}.*`);
    }
  };
  walk(jsonSchema(), "");
  assertEquals(bare, []);
});
