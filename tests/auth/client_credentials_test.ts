import { assertEquals, assertRejects } from "@std/assert";
import { ClientCredentials } from "../../lib/auth/client_credentials.ts";

interface Seen {
  authorization: string | undefined;
  form: URLSearchParams;
}

function endpoint(answer: (seen: Seen, count: number) => [number, unknown]) {
  const seen: Seen[] = [];
  const clock = { now: 0 };
  const credentials = new ClientCredentials({
    tokenUrl: "https://auth.example/token?k=hidden",
    clientId: "id with space",
    clientSecret: "se:cret/+é",
    scope: "a b",
    now: () => clock.now,
    fetch: (_, { headers, body }) => {
      seen.push({
        authorization: headers["authorization"],
        form: new URLSearchParams(new TextDecoder().decode(body)),
      });
      const last = seen.at(-1);
      if (!last) throw new Error("unreachable");
      const [status, json] = answer(last, seen.length);
      return Promise.resolve({
        status,
        bytes: () =>
          Promise.resolve(new TextEncoder().encode(JSON.stringify(json))),
      });
    },
  });
  return { credentials, seen, clock };
}

Deno.test("a token is fetched once for many, used until shortly before its end, then renewed", async () => {
  const { credentials, seen, clock } = endpoint((
    _,
    count,
  ) => [200, {
    access_token: `t${count}`,
    token_type: "bearer",
    expires_in: 100,
  }]);
  const headers = await Promise.all([
    credentials.header(),
    credentials.header(),
    credentials.header(),
  ]);
  assertEquals(headers, ["Bearer t1", "Bearer t1", "Bearer t1"]);
  assertEquals(seen.length, 1);
  assertEquals(
    seen[0]?.authorization,
    `Basic ${btoa("id+with+space:se%3Acret%2F%2B%C3%A9")}`,
  );
  assertEquals([...seen[0]?.form ?? []], [
    ["grant_type", "client_credentials"],
    ["scope", "a b"],
  ]);
  clock.now = 79_000;
  assertEquals(credentials.header(), "Bearer t1");
  clock.now = 81_000;
  assertEquals(await credentials.header(), "Bearer t2");
  credentials.refused("Bearer t1");
  assertEquals(
    credentials.header(),
    "Bearer t2",
    "an old refusal does not count against a new token",
  );
  credentials.refused("Bearer t2");
  assertEquals(await credentials.header(), "Bearer t3");
});

Deno.test("an endpoint that wants the secret in the form gets it there, and from then on only there", async () => {
  for (
    const [status, body] of [[401, {}], [400, {
      error: "invalid_client",
    }]] as const
  ) {
    const { credentials, seen } = endpoint(({ form }, count) =>
      form.has("client_secret")
        ? [200, { access_token: `t${count}` }]
        : [status, body]
    );
    assertEquals(await credentials.header(), "Bearer t2");
    assertEquals(seen[1]?.form.get("client_id"), "id with space");
    assertEquals(seen[1]?.form.get("client_secret"), "se:cret/+é");
    assertEquals(seen[1]?.authorization, undefined);
    credentials.refused("Bearer t2");
    assertEquals(await credentials.header(), "Bearer t3");
    assertEquals(seen.length, 3);
  }
});

Deno.test("what is wrong is said, without a secret, and tried anew the next time", async () => {
  const answers: [number, unknown][] = [
    [400, { error: "invalid_scope", error_description: "no such scope" }],
    [200, { no: "token" }],
    [200, { access_token: "x", token_type: "mac" }],
    [302, {}],
    [200, { access_token: "fine" }],
  ];
  const { credentials } = endpoint((_, count) =>
    answers[count - 1] ?? [500, {}]
  );
  const messages: string[] = [];
  for (let i = 0; i < 4; i++) {
    messages.push(
      (await assertRejects(async () => await credentials.header(), Error))
        .message,
    );
  }
  assertEquals(messages, [
    "Cannot get a token from https://auth.example/token?k=***: it answered 400 invalid_scope (no such scope); is --scope right?",
    "Cannot get a token from https://auth.example/token?k=***: it answered 200; is --token-url right?",
    'https://auth.example/token?k=*** gave a token of type "mac"; only bearer tokens can be used',
    "Cannot get a token from https://auth.example/token?k=***: it answered 302; is --token-url right?",
  ]);
  assertEquals(await credentials.header(), "Bearer fine");
});
