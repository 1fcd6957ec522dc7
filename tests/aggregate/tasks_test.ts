/** Tasks (2025-11-25) at many servers: each goes to its owner, and each client sees its own. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fixture } from "../program.ts";
import { type Message, request, type Session } from "../serve/kit.ts";
import { aggregating, ask, configOf, legacyEntry, names, open } from "./kit.ts";

function server(name: string): Message {
  const [command, ...args] = fixture("task_server.mjs", name);
  return { command, args };
}

async function work(session: Session, name: string): Promise<string> {
  const params = { name: `${name}__work`, arguments: {}, task: { ttl: 1000 } };
  return (await ask(session, "tools/call", params)).task.taskId;
}

for (
  const [kind, capabilities] of [["that share a process", {}], [
    "with one each",
    { roots: {} },
  ]] as const
) {
  Deno.test(`clients ${kind} list and fetch their own tasks of all servers`, () =>
    aggregating(
      configOf({ a: server("a"), b: server("b"), none: legacyEntry() }),
      async (aggregate) => {
        const ann = await open(aggregate.mcp, undefined, capabilities);
        const bob = await open(aggregate.mcp, undefined, capabilities);
        await names(ann, "tools");
        const own: string[] = [];
        for (const name of ["a", "a", "a", "b"]) {
          own.push(await work(ann, name));
        }
        const other = await work(bob, "b");
        const listed = async (session: Session) =>
          (await ask(session, "tasks/list")).tasks.map(({ taskId }: Message) =>
            taskId
          );
        assertEquals(await listed(ann), own);
        assertEquals(await listed(bob), [other]);
        for (const taskId of own) {
          const result = await ask(ann, "tasks/result", { taskId });
          assertEquals(result.content[0].text, `result of ${taskId}`);
        }
        assertEquals(
          (await ask(bob, "tasks/get", { taskId: other })).taskId,
          other,
        );
        const foreign = own[0] === other ? own[1] : own[0];
        const { message } = await bob.send(
          request("tasks/get", { taskId: foreign }),
        );
        assertStringIncludes(message.error.message, "Task not found");
      },
    ));
}
