import { assertEquals, assertMatch } from "@std/assert";
import {
  Guard,
  type GuardOptions,
  LOOPBACK_NAMES,
} from "../../lib/http/guard.ts";

function guard(options: Partial<GuardOptions> = {}): Guard {
  return new Guard({
    hosts: [...LOOPBACK_NAMES, "mcp.example.com"],
    origins: ["https://mcp.example.com"],
    exposed: ["x-more"],
    hostRemedy: "name it",
    originRemedy: "trust it",
    ...options,
  });
}

function request(headers: Record<string, string>, method = "POST"): Request {
  return new Request("http://127.0.0.1:1/mcp", { method, headers });
}

Deno.test("names that are accepted may have any letter case and port, others are refused with the remedy", async () => {
  for (
    const host of ["localhost", "127.0.0.1:80", "[::1]:9", "MCP.Example.com"]
  ) {
    assertEquals(guard().refuse(request({ host })), undefined, host);
  }
  for (
    const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "",
    ]
  ) {
    const refused = guard().refuse(request({ host }));
    assertEquals(refused?.status, 403, host);
    assertMatch(await refused?.text() ?? "", /name it/);
  }
});

Deno.test("any name is accepted where none is listed", () => {
  const open = guard({ hosts: undefined });
  assertEquals(open.refuse(request({ host: "evil.example" })), undefined);
});

Deno.test("pages of this machine and of listed origins are let in, others are not", async () => {
  const host = "localhost";
  for (
    const origin of [
      "http://localhost:5173",
      "http://127.0.0.1",
      "https://mcp.example.com",
    ]
  ) {
    assertEquals(guard().refuse(request({ host, origin })), undefined, origin);
  }
  for (
    const origin of [
      "null",
      "https://evil.example",
      "http://localhost.evil.example",
      "file://",
    ]
  ) {
    const refused = guard().refuse(request({ host, origin }));
    assertEquals(refused?.status, 403, origin);
    assertMatch(await refused?.text() ?? "", /trust it/);
  }
});

Deno.test("only pages of listed origins may read answers", () => {
  const host = "localhost";
  const headersFor = (origin: string) =>
    guard().mark(request({ host, origin }), new Response("x")).headers;
  const listed = headersFor("https://mcp.example.com");
  assertEquals(
    listed.get("access-control-allow-origin"),
    "https://mcp.example.com",
  );
  assertMatch(
    listed.get("access-control-expose-headers") ?? "",
    /mcp-session-id.*x-more/,
  );
  assertEquals(
    headersFor("http://localhost").get("access-control-allow-origin"),
    null,
  );
  const preflight = guard().refuse(
    request({
      host,
      origin: "https://mcp.example.com",
      "access-control-request-headers": "mcp-param-x",
    }, "OPTIONS"),
  );
  assertEquals(preflight?.status, 204);
  assertEquals(
    preflight?.headers.get("access-control-allow-headers"),
    "mcp-param-x",
  );
});
