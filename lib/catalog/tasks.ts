import { by, GRACE } from "./list_cache.ts";
import { fetchList, type Item, NONE, TASKS } from "./lists.ts";
import type { Source } from "./source.ts";
import type { Ties } from "./ties.ts";

/** A task, and whose it is. */
export interface OwnedTask {
  /** The server that runs it. */
  source: Source;
  /** The task. */
  item: Item;
}

/** The tasks of all servers that list them, as far as they say so in time (2025-11-25, tasks). */
export async function allTasks(
  sources: readonly Source[],
  ties: Ties,
  headers?: Headers,
): Promise<OwnedTask[]> {
  const deadline = performance.now() + GRACE;
  const lists = await Promise.all(
    sources.filter(listsTasks).map(async (source) => {
      const asked = ties.open(source, headers).then((relay) =>
        fetchList(
          TASKS,
          (method, params) => relay.ask(method, params, headers),
        )
      ).catch(() => NONE);
      const { items } = await by(asked, deadline) ?? NONE;
      return items.map((item) => ({ source, item }));
    }),
  );
  return lists.flat();
}

function listsTasks({ legacy }: Source): boolean {
  const tasks = legacy?.capabilities["tasks"] as { list?: unknown } | undefined;
  return tasks?.list !== undefined;
}
