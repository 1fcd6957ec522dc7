/** The way to the API: redirects, a forward proxy, certificates. The key goes to nobody else. */

import { assertEquals, assertMatch } from "@std/assert";
import { redirect } from "../fixtures/fake_answers.ts";
import { FAKE_KEY, startFakeMessages } from "../fixtures/fake_messages.ts";
import { Ask, assertClean, failure, withAsk } from "./kit.ts";

for (const status of [301, 302, 307, 308]) {
  Deno.test(`a redirect (${status}) on the same server is followed, with key and body`, () =>
    withAsk(async (ask, fake) => {
      fake.next.push(
        redirect("/moved/v1/messages?x=1", status),
        redirect(`${fake.url}/again/v1/messages`, status),
      );
      const { result } = await ask.ask({ prompt: "Hi" });
      assertEquals(result.structuredContent?.text, "You said: Hi");
      assertEquals(fake.asked.map(({ method, path }) => `${method} ${path}`), [
        "POST /v1/messages",
        "POST /moved/v1/messages?x=1",
        "POST /again/v1/messages",
      ]);
      assertEquals(fake.asked[2]?.body, fake.asked[0]?.body);
      assertEquals(fake.asked[2]?.headers["x-api-key"], FAKE_KEY);
    }));
}

Deno.test("a redirect to another server is not followed: it gets no key, and not even a request", async () => {
  const other = await startFakeMessages();
  await withAsk(async (ask, fake) => {
    fake.behaviour = redirect(`${other.url}/v1/messages?token=abc`);
    assertEquals(
      failure(await ask.ask({ prompt: "Hi" })),
      `${fake.url}/v1/messages redirects (307) to ${other.url}/v1/messages?token=***, which is another server and does not get the key; ` +
        "set CLAUDE_MCP_BASE_URL to that server if you trust it",
    );
    assertEquals([fake.asked.length, other.asked.length], [1, 0]);
    fake.behaviour = redirect("https://127.0.0.1:1/v1/messages");
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /which is another server/,
    );
    fake.behaviour = redirect("http://[nonsense");
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /which is another server/,
    );
  });
  await other.close();
});

Deno.test("redirects without an end are given up", () =>
  withAsk(async (ask, fake) => {
    assertMatch(
      failure(await ask.ask({ prompt: "Hi" })),
      /, the redirect number 6; set CLAUDE_MCP_BASE_URL to the URL at their end$/,
    );
    assertEquals(fake.asked.length, 6);
  }, { behaviour: redirect("/v1/messages") }));

/** A server that leads every request to another one, and notes what it was asked for. */
interface Detour {
  readonly port: number;
  readonly seen: string[];
  close(): Promise<void>;
}

function startDetour(
  target: string,
  tls?: { cert: string; key: string },
): Detour {
  const seen: string[] = [];
  const options = { hostname: "127.0.0.1", port: 0, onListen() {}, ...tls };
  const server = Deno.serve(options, async (request) => {
    seen.push(`${request.method} ${request.url}`);
    const { pathname, search } = new URL(request.url);
    const { method, headers } = request;
    const body = await request.bytes();
    const response = await fetch(target + pathname + search, {
      method,
      headers,
      body,
    });
    return new Response(await response.bytes(), response);
  });
  return { port: server.addr.port, seen, close: () => server.shutdown() };
}

Deno.test("the proxy of the environment is used, and NO_PROXY is honoured", async (t) => {
  const fake = await startFakeMessages();
  const proxy = startDetour(fake.url);
  const ask = async (base: string, env: Record<string, string>) => {
    await using program = new Ask([], {
      CLAUDE_MCP_BASE_URL: base,
      CLAUDE_MCP_API_KEY: FAKE_KEY,
      HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
      ...env,
    }, "ask");
    const { result } = await program.ask({ prompt: "Hi" });
    assertEquals(
      result.structuredContent?.text,
      "You said: Hi",
      JSON.stringify(result),
    );
    assertEquals(await program.close(), 0);
    assertClean(program);
  };
  await t.step("through the proxy", async () => {
    await ask("http://models.example/v1", {});
    assertEquals(proxy.seen, ["POST http://models.example/v1/messages"]);
  });
  await t.step("past it", async () => {
    await ask(fake.url, { NO_PROXY: "127.0.0.1" });
    assertEquals(proxy.seen.length, 1);
    assertEquals(fake.asked.length, 2);
  });
  await proxy.close();
  await fake.close();
});

Deno.test("a certificate has to be trusted: by --ca, or by --no-verify-ssl", async (t) => {
  const folder = `${import.meta.dirname}/../fixtures/tls`;
  const tls = {
    cert: await Deno.readTextFile(`${folder}/cert.pem`),
    key: await Deno.readTextFile(`${folder}/key.pem`),
  };
  const fake = await startFakeMessages();
  const server = startDetour(fake.url, tls);
  const ask = async (args: string[]) => {
    await using program = new Ask(args, {
      CLAUDE_MCP_BASE_URL: `https://localhost:${server.port}`,
      CLAUDE_MCP_API_KEY: FAKE_KEY,
    }, "ask");
    const answer = await program.ask({ prompt: "Hi" });
    assertEquals(await program.close(), 0);
    assertClean(program);
    return answer;
  };
  await t.step("neither", async () => {
    assertMatch(
      failure(await ask([])),
      /^Cannot reach https:\/\/localhost:\d+\/v1\/messages: its certificate is not trusted \(.+\); name the CA with --ca FILE, or --no-verify-ssl$/,
    );
    assertEquals(server.seen, []);
  });
  for (const args of [["--ca", `${folder}/ca.pem`], ["--no-verify-ssl"]]) {
    await t.step(args[0] ?? "", async () => {
      const { result } = await ask(args);
      assertEquals(
        result.structuredContent?.text,
        "You said: Hi",
        JSON.stringify(result),
      );
    });
  }
  await server.close();
  await fake.close();
});
