/**
 * Many servers that look like one: what they offer together, under names that are theirs alone, and to whom each of it
 * belongs.
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import { KINDS, type Listing, type ListKind, renamed } from "./lists.ts";
import { isNamedAfter, Names } from "./names.ts";
import type { Source } from "./source.ts";
import { type Located, Uris } from "./uris.ts";

/** What the catalog calls itself. */
export interface Identity {
  /** `serverInfo.name`. */
  name: string;
  /** `serverInfo.version`. */
  version: string;
}

/** Who sees what has changed; a server is one. */
export interface Audience {
  /** Whether a caller with this token is one of them. */
  opensTo(principal: string): boolean;
}

/** Hears of changes of the lists. */
export type Watcher = (
  kind: ListKind,
  audiences: ReadonlySet<Audience>,
) => void;

/** So long, in ms, changes are gathered before clients are told: a server that stirs all the time is told of less often. */
const GATHER = 50;

/** Many servers that look like one. */
export class Catalog {
  /** What it calls itself. */
  identity: Identity;
  /** Its servers, in the order of the config. */
  readonly sources: Source[] = [];
  /** Who hears of changes. */
  readonly watchers: Set<Watcher> = new Set();
  /** Who hears that a server is gone for good. */
  readonly mourners: Set<(source: Source) => void> = new Set();
  #names: Record<"tools" | "prompts", Names<Source>> = {
    tools: new Names(),
    prompts: new Names(),
  };
  #uris: Uris<Source> = new Uris();
  #changes: Map<ListKind, Set<Audience>> = new Map();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Takes its name. */
  constructor(identity: Identity) {
    this.identity = identity;
  }

  /** The servers that a caller may use. */
  visible(principal: string): Source[] {
    return this.sources.filter((source) => source.opensTo(principal));
  }

  /** Takes in a server, at its place in the order. */
  add(source: Source, index: number): void {
    this.sources.splice(index, 0, source);
    source.onchange = (kind) => this.#note(kind, source);
  }

  /** Takes out a server that is gone for good. */
  remove(source: Source): void {
    const index = this.sources.indexOf(source);
    if (index >= 0) this.sources.splice(index, 1);
    this.#names.tools.forget(source);
    this.#names.prompts.forget(source);
    this.#uris.forget(source);
    source.onchange = () => {};
    for (const kind of KINDS) this.#note(kind, source);
    for (const mourner of this.mourners) mourner(source);
  }

  /** Gives a server's tools and prompts new names: its prefix has changed. */
  rename(source: Source): void {
    this.#names.tools.forget(source);
    this.#names.prompts.forget(source);
  }

  /** A server was there for these, and perhaps is no more: they are told as well. */
  withdraw(audience: Audience): void {
    for (const kind of KINDS) this.#note(kind, audience);
  }

  /** Tells nobody of anything any more. */
  close(): void {
    clearTimeout(this.#timer);
    this.watchers.clear();
  }

  /** The entries of one server's list as clients see them. */
  offer(kind: ListKind, source: Source, { items }: Listing): Bytes[] {
    const offered: Bytes[] = [];
    for (const item of items) {
      if (kind === "tools" && !source.options.allows(item.name)) continue;
      offered.push(renamed(item, this.#publicName(kind, source, item.name)));
    }
    const names = items.map(({ name }) => name);
    if (kind === "tools" || kind === "prompts") {
      this.#names[kind].keep(source, names);
    } else if (kind === "resources") this.#uris.keep(source, names);
    return offered;
  }

  /** Whose a tool or prompt is that clients call so. */
  find(
    kind: "tools" | "prompts",
    name: string,
  ): { source: Source; name: string } | undefined {
    const found = this.#names[kind].find(name);
    return found && { source: found.server, name: found.name };
  }

  /** The server, away, whose a name that nobody has listed yet may be. */
  absent(name: string, principal: string): Source | undefined {
    return this.visible(principal).find((source) =>
      source.server.state !== "running" && isNamedAfter(name, source.name)
    );
  }

  /** Whose a resource or template is that clients call so, as far as it has been listed. */
  findUri(uri: string): Located<Source> | undefined {
    return this.#uris.find(uri);
  }

  /** What clients call those resources of a server that another one has under the same URI. */
  aliases(source: Source): ReadonlyMap<string, string> | undefined {
    return this.#uris.aliases(source);
  }

  #publicName(kind: ListKind, source: Source, name: string): string {
    if (kind === "tools" || kind === "prompts") {
      const { prefix } = source.options;
      return this.#names[kind].give(source, source.name, name, prefix);
    }
    return this.#uris.give(source, source.name, name);
  }

  #note(kind: ListKind, audience: Audience): void {
    const audiences = this.#changes.get(kind) ?? new Set();
    this.#changes.set(kind, audiences.add(audience));
    this.#timer ??= setTimeout(() => this.#tell(), GATHER);
  }

  #tell(): void {
    this.#timer = undefined;
    const changes = [...this.#changes];
    this.#changes.clear();
    for (const [kind, audiences] of changes) {
      for (const watcher of this.watchers) watcher(kind, audiences);
    }
  }
}
