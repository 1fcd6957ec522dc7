/** All that a client can do with the server that has everything. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { textOf, until } from "./kit.ts";
import {
  Client,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResourceUpdatedNotificationSchema,
  type Transport,
} from "./sdk_v1.ts";

const DOCUMENT = "demo://resource/dynamic/text/1";

/**
 * Uses it over a transport, in every way that the protocol knows, and closes. `askedFor` is what the server has to ask
 * this client for: one that serves several knows the roots already.
 */
export async function useEverything(
  transport: Transport,
  askedFor: string[] = ["elicitation", "roots", "sampling"],
): Promise<void> {
  const client = new Client({ name: "real", version: "1" }, {
    capabilities: {
      sampling: {},
      elicitation: {},
      roots: { listChanged: true },
    },
  });
  const asked: string[] = [];
  const logged: unknown[] = [];
  const updated: string[] = [];
  client.setRequestHandler(CreateMessageRequestSchema, (request) => {
    asked.push("sampling");
    const [message] = request.params.messages;
    const content = { type: "text" as const, text: JSON.stringify(message) };
    return { model: "none", role: "assistant", content };
  });
  client.setRequestHandler(ElicitRequestSchema, () => {
    asked.push("elicitation");
    return { action: "accept", content: { name: "Ada", integer: 7 } };
  });
  client.setRequestHandler(ListRootsRequestSchema, () => {
    asked.push("roots");
    return { roots: [{ uri: "file:///somewhere", name: "a root" }] };
  });
  client.setNotificationHandler(
    LoggingMessageNotificationSchema,
    ({ params }) => void logged.push(params.data),
  );
  client.setNotificationHandler(
    ResourceUpdatedNotificationSchema,
    ({ params }) => void updated.push(params.uri),
  );
  await client.connect(transport);
  try {
    assertStringIncludes(client.getServerVersion()?.name ?? "", "everything");
    assert(client.getInstructions(), "instructions");
    await useTools(client);
    assertEquals([...new Set(asked)].sort(), askedFor);
    await useLists(client);
    await client.setLoggingLevel("debug");
    await client.callTool({ name: "toggle-simulated-logging" });
    await until(() => logged.length > 0);
    assert(logged.length > 0, "no log message came");
    await client.callTool({ name: "toggle-simulated-logging" });
    await client.subscribeResource({ uri: DOCUMENT });
    await client.callTool({ name: "toggle-subscriber-updates" });
    await until(() => updated.length > 0);
    assertEquals(updated[0], DOCUMENT);
    await client.callTool({ name: "toggle-subscriber-updates" });
    await client.unsubscribeResource({ uri: DOCUMENT });
    await client.ping();
  } finally {
    await client.close();
  }
}

async function useTools(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  assert(tools.some(({ name }) => name === "trigger-sampling-request"));
  const call = (name: string, args: Record<string, unknown> = {}) =>
    client.callTool({ name, arguments: args });
  assertEquals(
    textOf(await call("echo", { message: "é\u2028😀" })),
    "Echo: é\u2028😀",
  );
  const { structuredContent } = await call("get-structured-content", {
    location: "Chicago",
  });
  assert(structuredContent, "structured content");
  const wrong = await call("get-sum", { a: "no number" });
  assert(wrong.isError, "a wrong argument is no error");
  const progress: number[] = [];
  await client.callTool(
    {
      name: "trigger-long-running-operation",
      arguments: { duration: 0.4, steps: 4 },
    },
    undefined,
    { onprogress: (seen) => void progress.push(seen.progress) },
  );
  // This client drops the last one where it comes in one chunk with the result.
  assertEquals(progress.slice(0, 3), [1, 2, 3]);
  const sampled = await call("trigger-sampling-request", { prompt: "hello" });
  assertStringIncludes(textOf(sampled), "hello");
  const elicited = await call("trigger-elicitation-request");
  assertStringIncludes(JSON.stringify(elicited), "- Name: Ada");
  const roots = await call("get-roots-list");
  assertStringIncludes(textOf(roots), "file:///somewhere");
}

async function useLists(client: Client): Promise<void> {
  const { resources } = await client.listResources();
  assert(resources.length > 0, "resources");
  const { contents } = await client.readResource({ uri: DOCUMENT });
  assertEquals(contents[0]?.uri, DOCUMENT);
  const { resourceTemplates } = await client.listResourceTemplates();
  assertEquals(resourceTemplates.length, 2);
  const { prompts } = await client.listPrompts();
  assert(prompts.some(({ name }) => name === "args-prompt"));
  const { messages } = await client.getPrompt({
    name: "args-prompt",
    arguments: { city: "Kraków" },
  });
  assertStringIncludes(JSON.stringify(messages), "Kraków");
  const { completion } = await client.complete({
    ref: { type: "ref/prompt", name: "completable-prompt" },
    argument: { name: "name", value: "D" },
    context: { arguments: { department: "Sales" } },
  });
  assertEquals(completion.values, ["David"]);
}
