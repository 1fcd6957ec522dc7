import { CODE } from "../mcp/eras.ts";
import type { Bytes, Frame } from "../mcp/frame.ts";
import { log } from "../log.ts";
import type { Exchange } from "../wire/leg.ts";
import type { Catalog } from "./catalog.ts";
import { type Listing, type ListKind, LISTS, NONE } from "./lists.ts";
import {
  completionTarget,
  matchesTemplate,
  refuse,
  renamedTo,
  textOf,
  through,
  unalias,
  withAliases,
} from "./rewrite.ts";
import type { Source } from "./source.ts";
import type { Located } from "./uris.ts";

/** How many tasks of one client have an owner noted; the oldest are forgotten. */
const MAX_TASKS = 4096;

/** A request on its way to its owner. */
export interface Call {
  /** What is asked. */
  readonly frame: Frame;
  /** The way back. */
  readonly exchange: Exchange;
  /** By which it can be cancelled. */
  readonly handle: number;
}

/** How clients of one era come to the servers. */
export interface Reach {
  /** The servers that this caller may use, and that are there. */
  present(): Promise<Source[]>;
  /** What a server says that it can do. */
  capabilities(source: Source): Record<string, unknown>;
  /** A server's list as this caller sees it. */
  list(source: Source, kind: ListKind, call: Call): Promise<Listing>;
  /** Sends a request to a server, under the names that the server knows. Never throws. */
  send(source: Source, call: Call): void;
  /** The code of the error that tells of a resource that is not there. */
  readonly notFound: number;
}

/** One server's part of a list. */
export interface Share {
  /** The server's list. */
  listing: Listing;
  /** Its entries, as clients see them. */
  items: Bytes[];
}

/** Takes what a client asks to the server that it belongs to, in either era. */
export class Router {
  #catalog: Catalog;
  #principal: string;
  #reach: Reach;
  #tasks: Map<string, Source> = new Map();

  /** Takes what there is, the token that decides what of it is seen, and the ways to it. */
  constructor(catalog: Catalog, principal: string, reach: Reach) {
    this.#catalog = catalog;
    this.#principal = principal;
    this.#reach = reach;
  }

  /** A list of all servers: what is there now. */
  async merged(kind: ListKind, call: Call): Promise<Share[]> {
    const sources = await this.#reach.present();
    const lists = await Promise.all(
      sources.map((source) =>
        this.#reach.list(source, kind, call).catch((cause) => {
          const { method } = LISTS[kind];
          log.warn(
            `<${source.name}> is left out of ${method}: ${textOf(cause)}`,
          );
          return NONE;
        })
      ),
    );
    // Names are given in the order of the config, whoever was first to answer.
    return sources.map((source, index) => {
      const listing = lists[index] ?? NONE;
      return { listing, items: this.#catalog.offer(kind, source, listing) };
    });
  }

  /** Sends a request to a server, and calls the server's URIs what the client calls them. */
  send(source: Source, call: Call): void {
    const aliases = this.#catalog.aliases(source);
    this.#reach.send(
      source,
      aliases
        ? { ...call, exchange: withAliases(call.exchange, aliases) }
        : call,
    );
  }

  /** `tools/call` and `prompts/get`. */
  named(kind: "tools" | "prompts", call: Call): void {
    const { frame } = call;
    const name = frame.string(frame.nameAt, frame.nameEnd);
    if (this.#toOwner(kind, name, call)) return;
    // A client may know a name from before we started.
    this.merged(kind, call).then(() => {
      if (this.#toOwner(kind, name, call)) return;
      const absent = this.#catalog.absent(name, this.#principal);
      if (absent) {
        const why = absent.server.lastError || "it is still starting";
        const text = `Server "${absent.name}" is not there: ${why}`;
        return refuse(frame, call.exchange, CODE.internal, text);
      }
      this.#unknown(kind, name, call);
    }).catch((cause) => failed(call, cause));
  }

  /** `resources/read`, `resources/subscribe` and `resources/unsubscribe`. */
  async resource(call: Call): Promise<void> {
    const { frame } = call;
    const uri = frame.string(frame.uriAt, frame.uriEnd);
    const owner = await this.owner(uri, call);
    if (owner) {
      const own = renamedTo(frame, frame.uriAt, frame.uriEnd, owner.uri);
      return this.send(owner.source, { ...call, frame: own });
    }
    // A server may have resources that it never lists; reading asks for nothing but what is there.
    const candidates = (await this.#reach.present()).filter((source) =>
      this.#reach.capabilities(source)["resources"] !== undefined
    );
    this.#tryEach(candidates, uri, call);
  }

  /** Whose a resource is; `undefined` where no list and no template tells. */
  async owner(uri: string, call: Call): Promise<Located<Source> | undefined> {
    const known = this.#catalog.findUri(uri);
    if (known?.source.opensTo(this.#principal)) return known;
    await Promise.all([
      this.merged("resources", call),
      this.merged("resourceTemplates", call),
    ]);
    const found = this.#catalog.findUri(uri);
    if (found?.source.opensTo(this.#principal)) return found;
    for (const source of await this.#reach.present()) {
      const own = unalias(uri, source.name);
      // deno-lint-ignore no-await-in-loop -- they are known by now
      const { items } = await this.#reach.list(
        source,
        "resourceTemplates",
        call,
      ).catch(() => NONE);
      if (items.some(({ name }) => matchesTemplate(name, own))) {
        return { source, uri: own };
      }
    }
    return undefined;
  }

  /** `completion/complete`. */
  async complete(call: Call): Promise<void> {
    const { frame, exchange } = call;
    const target = completionTarget(frame);
    if (!target) {
      const text = "Invalid params: ref must name a prompt or a resource";
      return refuse(frame, exchange, CODE.invalidParams, text);
    }
    const { kind, text, at, end } = target;
    const owner = await this.#completer(kind, text, call);
    if (!owner) {
      const said = `${kind} '${text}' not found`;
      return refuse(frame, exchange, CODE.invalidParams, said);
    }
    this.send(owner.source, {
      ...call,
      frame: renamedTo(frame, at, end, owner.name),
    });
  }

  /** A request about a task. */
  task(call: Call): void {
    const { frame, exchange } = call;
    const taskId = frame.string(frame.taskIdAt, frame.taskIdEnd);
    const source = this.#tasks.get(taskId);
    if (source?.opensTo(this.#principal)) return this.send(source, call);
    const text = `Task not found: ${taskId}`;
    refuse(frame, exchange, CODE.invalidParams, text);
  }

  /** Whether a task is this client's. */
  owns(taskId: string): boolean {
    return this.#tasks.has(taskId);
  }

  /** Notes whose a task of this client's is. */
  ownTask(taskId: unknown, source: Source): void {
    if (typeof taskId !== "string") return;
    this.#tasks.set(taskId, source);
    for (const oldest of this.#tasks.keys()) {
      if (this.#tasks.size <= MAX_TASKS) break;
      this.#tasks.delete(oldest);
    }
  }

  /** Forgets a server that is gone for good. */
  forget(source: Source): void {
    for (const [taskId, owner] of this.#tasks) {
      if (owner === source) this.#tasks.delete(taskId);
    }
  }

  /** Any other method: one server alone is asked; of many, nobody knows whose it is. */
  async other(call: Call): Promise<void> {
    const [only, ...others] = await this.#reach.present();
    if (only && others.length === 0) return this.send(only, call);
    const text = `Method not found: ${call.frame.method}`;
    refuse(call.frame, call.exchange, CODE.methodNotFound, text);
  }

  #toOwner(kind: "tools" | "prompts", name: string, call: Call): boolean {
    const found = this.#catalog.find(kind, name);
    if (!found) return false;
    const { source, name: own } = found;
    const open = source.opensTo(this.#principal) &&
      (kind === "prompts" || source.options.allows(own));
    if (!open) {
      this.#unknown(kind, name, call);
      return true;
    }
    const { frame } = call;
    this.send(source, {
      ...call,
      frame: renamedTo(frame, frame.nameAt, frame.nameEnd, own),
    });
    return true;
  }

  #unknown(kind: "tools" | "prompts", name: string, call: Call): void {
    const what = kind === "tools" ? "tool" : "prompt";
    const text = `${what} '${name}' not found`;
    refuse(call.frame, call.exchange, CODE.invalidParams, text);
  }

  #tryEach(candidates: readonly Source[], uri: string, call: Call): void {
    const [source, ...others] = candidates;
    if (!source) {
      const text = `Resource not found: ${uri}`;
      return refuse(call.frame, call.exchange, this.#reach.notFound, text);
    }
    if (others.length === 0) return this.send(source, call);
    const exchange = {
      ...through(call.exchange),
      respond: (bytes: Bytes, code: number) =>
        code === 0
          ? call.exchange.respond(bytes, code)
          : this.#tryEach(others, uri, call),
    };
    this.send(source, { ...call, exchange });
  }

  async #completer(
    kind: "prompt" | "resource",
    text: string,
    call: Call,
  ): Promise<{ source: Source; name: string } | undefined> {
    const find = () => {
      if (kind === "prompt") return this.#catalog.find("prompts", text);
      const found = this.#catalog.findUri(text);
      return found && { source: found.source, name: found.uri };
    };
    if (!find()) {
      await this.merged(
        kind === "prompt" ? "prompts" : "resourceTemplates",
        call,
      );
    }
    const found = find();
    return found?.source.opensTo(this.#principal) ? found : undefined;
  }
}

/** Answers a request that something went wrong with on the way. */
export function failed({ frame, exchange }: Call, cause: unknown): void {
  refuse(frame, exchange, CODE.internal, textOf(cause));
}
