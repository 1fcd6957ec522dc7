import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { readAggregateConfig } from "../../lib/config/aggregate_config.ts";
import { ConfigError } from "../../lib/config/config_file.ts";
import {
  localPath,
  readConfigSource,
  type SourceOptions,
} from "../../lib/config/config_source.ts";

const CONFIG = '\uFEFF{"mcpServers": {"a": {"command": "x"},},} // fine';

/** A server that answers in many ways; `seen` has the headers of each request. */
async function withServer(
  test: (here: string, seen: Headers[]) => Promise<void>,
): Promise<void> {
  const seen: Headers[] = [];
  const handler = (request: Request): Response | Promise<Response> => {
    seen.push(new Headers(request.headers));
    const { pathname, searchParams } = new URL(request.url);
    const to = searchParams.get("to") ?? "";
    switch (pathname) {
      case "/config":
        return new Response(CONFIG);
      case "/to":
        return new Response("moved", {
          status: 302,
          headers: { location: to },
        });
      case "/loop":
        return new Response(null, {
          status: 301,
          headers: { location: "/loop" },
        });
      case "/html":
        return new Response("<html>", {
          headers: { "content-type": "text/html" },
        });
      case "/big":
        return new Response("x".repeat(9 * 1024 * 1024));
      case "/never":
        return new Promise(() => {});
      case "/stalls":
        return new Response(
          new ReadableStream({
            start: (c) => c.enqueue(new TextEncoder().encode("{")),
          }),
        );
      case "/denied":
        return new Response("no", { status: 403 });
      default:
        return new Response("no", { status: 404 });
    }
  };
  const stop = new AbortController();
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    signal: stop.signal,
    onListen() {},
  }, handler);
  try {
    await test(`http://127.0.0.1:${server.addr.port}`, seen);
  } finally {
    stop.abort();
    await server.finished;
  }
}

async function problem(url: string, options?: SourceOptions): Promise<string> {
  const error = await assertRejects(
    () => readConfigSource(url, options),
    ConfigError,
  );
  return error.message;
}

Deno.test("a config is read from a URL, with headers", async () => {
  await withServer(async (here, seen) => {
    const config = await readAggregateConfig(`${here}/config`, {
      headers: [["Authorization", "Bearer abc"], ["x-team", "dev"]],
      timeoutMs: 10_000,
    });
    assertEquals(config.servers.map(({ name }) => name), ["a"]);
    assertEquals(seen[0]?.get("authorization"), "Bearer abc");
    assertEquals(seen[0]?.get("x-team"), "dev");
  });
});

Deno.test("redirects are followed, without the headers where they lead elsewhere", async () => {
  const headers: [string, string][] = [["x-secret", "abc"]];
  await withServer((there, elsewhere) =>
    withServer(async (here, seen) => {
      for (const to of ["/config", `${there}/config`]) {
        const url = `${here}/to?to=${encodeURIComponent(to)}`;
        const text = await readConfigSource(url, { headers });
        assertEquals(text, CONFIG.slice(1));
      }
      const given = (one: Headers) => one.get("x-secret");
      assertEquals(seen.map(given), ["abc", "abc", "abc"]);
      assertEquals(elsewhere.map(given), [null]);
      assertStringIncludes(
        await problem(`${here}/loop`),
        "it redirects more than 10 times",
      );
    })
  );
});

Deno.test("a URL that gives no config is an error that says why, without secrets", async () => {
  await withServer(async (here) => {
    assertStringIncludes(
      await problem(`${here}/nothing?key=s3cr3t`),
      `Cannot read config "${here}/nothing?key=***": the server answers with status 404 Not Found; check the URL`,
    );
    assertStringIncludes(
      await problem(`${here}/denied`),
      "status 403 Forbidden; give credentials with -http-headers",
    );
    assertStringIncludes(
      await problem(`${here}/big`),
      "it is longer than 8 MB",
    );
    for (const path of ["never", "stalls"]) {
      assertStringIncludes(
        await problem(`${here}/${path}`, { timeoutMs: 100 }),
        "there is no answer within 100ms; check the URL, or allow more with -http-timeout",
      );
    }
    const html = await assertRejects(
      () => readAggregateConfig(`${here}/html`),
      ConfigError,
    );
    assertEquals(html.problems, [
      'it is no JSON: line 1, column 1: unexpected "<"',
    ]);
  });
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  closed.close();
  const text = await problem(
    `http://u:s3cr3t@127.0.0.1:${closed.addr.port}/?a=s3cr3t`,
  );
  assert(!text.includes("s3cr3t"), text);
});

Deno.test("https is not left on the way to a config", async () => {
  const fetch: SourceOptions["fetch"] = (url) =>
    Promise.resolve(
      new Response(CONFIG, {
        status: url.startsWith("https:") ? 302 : 200,
        headers: { location: "http://127.0.0.1/config?k=v" },
      }),
    );
  assertStringIncludes(
    await problem("https://x/", { fetch }),
    "it redirects from https to http://127.0.0.1/config?k=***",
  );
});

Deno.test("a file may be named by its path or its file: URL", async () => {
  assertEquals(localPath("a/b.json"), "a/b.json");
  assertEquals(localPath("C:\\x.json"), "C:\\x.json");
  assertEquals(localPath("file:///a%20b.json"), "/a b.json");
  assertStringIncludes(
    await problem("ftp://h/x.json"),
    "it must be the path of a file, or an http(s) URL",
  );
  assertStringIncludes(await problem("/no/such.json"), "no such file");
});
