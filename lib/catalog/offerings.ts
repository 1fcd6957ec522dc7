import { META } from "../mcp/eras.ts";
import type { Client } from "../relay/client.ts";
import type { Relay } from "../relay/relay.ts";
import type { ModernUpstream } from "../upstream/probe.ts";
import { by, GRACE, ListCache } from "./list_cache.ts";
import {
  fetchList,
  KINDS,
  type Listing,
  type ListKind,
  LISTS,
  NONE,
} from "./lists.ts";
import { profileOf } from "./profile.ts";
import type { Source } from "./source.ts";

/** What one server offers, from memory where it is known. */
export class Offerings {
  #source: Source;
  #lists: ListCache;
  #ttl: Map<ListKind, number> = new Map();

  /** Takes the server. */
  constructor(source: Source) {
    this.#source = source;
    this.#lists = new ListCache((kind) => source.onchange(kind));
  }

  /** A list as it is known, for whoever it was. */
  known(kind: ListKind): Listing {
    return this.#lists.known(kind) ?? NONE;
  }

  /** What is known of a list is no longer so, or of all of them. */
  forget(kind?: ListKind): void {
    for (const one of KINDS) {
      if (kind === undefined || one === kind) this.#lists.forget(one);
    }
  }

  /**
   * A list. `relay` is asked where it is given, else the shared one; clients of other capabilities may be offered other
   * things, so what is kept is kept for each kind of client.
   */
  async list(
    kind: ListKind,
    client?: Client,
    relay?: () => Promise<Relay>,
    headers?: Headers,
  ): Promise<Listing> {
    const source = this.#source;
    // What it can do is known only when a client has asked for it.
    if (!source.legacy && relay) await by(relay(), performance.now() + GRACE);
    const { capabilities = {} } = source.legacy ?? {};
    if (!offers(capabilities, kind)) return NONE;
    // On one connection for all, a server may see who asks all the same.
    const own = client && (relay || source.personal)
      ? JSON.stringify([
        relay ? client.capabilities : {},
        this.#forwarded(headers),
      ])
      : "";
    const wanted = {
      kind,
      audience: own,
      ...tells(capabilities, kind) ? { freshMs: Infinity } : {},
      ...own === "" || source.personal ? {} : { instead: "" },
    };
    const listing = await this.#lists.get(wanted, async () => {
      const asked = relay ? await relay() : await source.server.openShared();
      return await fetchList(
        LISTS[kind],
        (method, params) => asked.ask(method, params, headers),
      );
    });
    return listing ?? NONE;
  }

  /** A list as modern clients with these capabilities see it. */
  async modernList(
    kind: ListKind,
    clientCapabilities: unknown,
    headers?: Headers,
  ): Promise<Listing> {
    const modern = await this.#source.openModern();
    const { capabilities } = profileOf(modern?.discovered ?? {});
    if (!modern || !offers(capabilities, kind, modern)) return NONE;
    const said = [clientCapabilities, this.#forwarded(headers)];
    const wanted = {
      kind,
      audience: `modern ${JSON.stringify(said)}`,
      freshMs: tells(capabilities, kind) ? Infinity : this.#ttl.get(kind) ?? 0,
    };
    const _meta = {
      ...modern.envelope,
      [META.clientCapabilities]: clientCapabilities,
    };
    const listing = await this.#lists.get(wanted, async () => {
      const found = await fetchList(
        LISTS[kind],
        (method, params) =>
          modern.relay.ask(method, { ...params, _meta }, headers),
      );
      this.#ttl.set(kind, found.ttlMs);
      return found;
    });
    return listing ?? NONE;
  }

  // Servers that see who asks may tell each of them something else.
  #forwarded(headers: Headers | undefined): string[] {
    const { forwardHeaders } = this.#source.options;
    return forwardHeaders.map((name) => headers?.get(name) ?? "");
  }
}

function offers(
  capabilities: Record<string, unknown>,
  kind: ListKind,
  modern?: ModernUpstream,
): boolean {
  // A modern server that would not say what it has is asked for everything.
  if (modern && !("capabilities" in modern.discovered)) return true;
  return capabilities[familyOf(kind)] !== undefined;
}

function tells(capabilities: Record<string, unknown>, kind: ListKind): boolean {
  const family = capabilities[familyOf(kind)] as { listChanged?: unknown };
  return family?.listChanged === true;
}

function familyOf(kind: ListKind): string {
  return kind === "resourceTemplates" ? "resources" : kind;
}
