import type { Frame } from "../mcp/frame.ts";
import type { Client } from "./client.ts";

/** Log levels, least first (RFC 5424; MCP, server: logging). */
export const LEVELS: readonly string[] = [
  "debug",
  "info",
  "notice",
  "warning",
  "error",
  "critical",
  "alert",
  "emergency",
];

/** How many resources of one server may be subscribed to. */
const MAX_SUBSCRIPTIONS = 10_000;
/** How many tasks of one server have an owner noted; the oldest are forgotten. */
const MAX_TASKS = 4096;

/** What one server has been told, and by whom: enough to tell it again after it has forgotten, and to find owners. */
export class Memory {
  /** The `initialize` request that made the session. */
  initialize: Frame | undefined;
  /** Whether `notifications/initialized` has been sent. */
  initialized = false;
  /** Who subscribed to which resource. */
  readonly subscriptions: Map<string, Set<Client>> = new Map();
  readonly #levels: Map<Client, string> = new Map();
  readonly #tasks: Map<string, Client> = new Map();
  readonly #taskTokens: Map<number, { client: Client; token: string }> =
    new Map();

  /** Notes a client's log level; `false` where there is no such level. */
  setLevel(client: Client, level: string): boolean {
    if (!LEVELS.includes(level)) return false;
    client.level = level;
    this.#levels.set(client, level);
    return true;
  }

  /** The least level that any client wants, or `""` where none set one. */
  get level(): string {
    let least = LEVELS.length;
    for (const level of this.#levels.values()) {
      least = Math.min(least, LEVELS.indexOf(level));
    }
    return LEVELS[least] ?? "";
  }

  /** Notes a subscription; beyond the bound it is not told again to a server that has forgotten. */
  subscribe(client: Client, uri: string): void {
    const owners = this.subscriptions.get(uri);
    if (owners) owners.add(client);
    else if (this.subscriptions.size < MAX_SUBSCRIPTIONS) {
      this.subscriptions.set(uri, new Set([client]));
    }
  }

  /** Forgets a subscription; `true` where nobody else has it. */
  unsubscribe(client: Client, uri: string): boolean {
    const owners = this.subscriptions.get(uri);
    if (!owners) return true;
    owners.delete(client);
    if (owners.size > 0) return false;
    this.subscriptions.delete(uri);
    return true;
  }

  /** Who is to hear of a change of a resource, or of one that lies under a subscribed one. */
  subscribers(uri: string): Set<Client> {
    const exact = this.subscriptions.get(uri);
    if (exact) return exact;
    const found = new Set<Client>();
    for (const [prefix, owners] of this.subscriptions) {
      if (uri.startsWith(prefix)) owners.forEach((client) => found.add(client));
    }
    return found;
  }

  /** Notes whose a task is. */
  ownTask(client: Client, taskId: string): void {
    this.#tasks.set(taskId, client);
    if (this.#tasks.size > MAX_TASKS) {
      for (const oldest of this.#tasks.keys()) {
        this.#tasks.delete(oldest);
        break;
      }
    }
  }

  /** Notes the progress token of a task, by the id that its request had towards the server. */
  ownTaskToken(client: Client, id: number, token: string): void {
    this.#taskTokens.set(id, { client, token });
    if (this.#taskTokens.size <= MAX_TASKS) return;
    for (const oldest of this.#taskTokens.keys()) {
      this.#taskTokens.delete(oldest);
      break;
    }
  }

  /** Whose a task's progress token is, and what the client calls it. */
  taskToken(id: number): { client: Client; token: string } | undefined {
    return this.#taskTokens.get(id);
  }

  /** Whose a task is. */
  taskOwner(taskId: string): Client | undefined {
    return this.#tasks.get(taskId);
  }

  /** Forgets a client; gives the resources that nobody is subscribed to any more. */
  forget(client: Client): string[] {
    this.#levels.delete(client);
    for (const [id, task] of this.#taskTokens) {
      if (task.client === client) this.#taskTokens.delete(id);
    }
    for (const [taskId, owner] of this.#tasks) {
      if (owner === client) this.#tasks.delete(taskId);
    }
    const released: string[] = [];
    for (const uri of [...this.subscriptions.keys()]) {
      if (
        this.subscriptions.get(uri)?.has(client) &&
        this.unsubscribe(client, uri)
      ) released.push(uri);
    }
    return released;
  }
}

/** Whether a message of level `level` is wanted by somebody who asked for `wanted` and above. */
export function reaches(level: string, wanted: string): boolean {
  return LEVELS.indexOf(level) >= LEVELS.indexOf(wanted);
}
