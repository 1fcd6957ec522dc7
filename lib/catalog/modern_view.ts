import { CODE, META, MODERN_VERSIONS } from "../mcp/eras.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import type { Exchange, Receiver } from "../wire/leg.ts";
import type { ModernServer } from "../wire/modern_server.ts";
import type { Catalog } from "./catalog.ts";
import { Listening } from "./listening.ts";
import { type ListKind, listResult, LISTS } from "./lists.ts";
import { introduction, mergedCapabilities } from "./merge.ts";
import { through } from "./rewrite.ts";
import { type Call, failed, type Reach, Router } from "./router.ts";
import { profileOf } from "./profile.ts";
import type { Source } from "./source.ts";

/** What modern callers with one token see: each request stands for itself, and goes to its owner. */
export class ModernView implements Receiver, ModernServer {
  /** Where requests go. */
  readonly receiver: Receiver = this;
  /** The versions that all of it speaks. */
  readonly versions: string[] = [...MODERN_VERSIONS];
  #catalog: Catalog;
  #principal: string;
  #router: Router;
  /** How each running request is cancelled, as soon as that is known. */
  #running: Map<number, () => void> = new Map();
  #next = 1;
  #mourner = (source: Source) => this.#router.forget(source);

  /** Takes what there is, and the token that decides what of it is seen. */
  constructor(catalog: Catalog, principal: string) {
    this.#catalog = catalog;
    this.#principal = principal;
    this.#router = new Router(catalog, principal, this.#reach());
    catalog.mourners.add(this.#mourner);
  }

  /** Whether a server is there that speaks to modern clients. */
  async any(): Promise<boolean> {
    const visible = this.#visible;
    if (visible.some(({ open }) => open)) return true;
    const present = visible.map((source) => source.present());
    // One is enough, so nobody waits for the others.
    const one = present.map(async (asked) => {
      if (!await asked) throw new Error("it is not there");
    });
    return await Promise.any(one).then(() => true, () => false);
  }

  /** A tool by its public name. */
  async tool(name: string): Promise<{ inputSchema?: unknown } | undefined> {
    const found = this.#catalog.find("tools", name);
    if (!found || !found.source.opensTo(this.#principal)) return undefined;
    const { items } = await found.source.offerings.modernList("tools", {});
    const item = items.find((one) => one.name === found.name);
    return item && JSON.parse(new TextDecoder().decode(item.bytes));
  }

  /** Takes a request. */
  request(frame: Frame, exchange: Exchange): number {
    const handle = this.#next++;
    this.#running.set(handle, () => {});
    const call: Call = {
      frame,
      handle,
      exchange: {
        ...through(exchange),
        respond: (bytes, code) => {
          this.#running.delete(handle);
          exchange.respond(bytes, code);
        },
      },
    };
    this.#take(call).catch((cause) => failed(call, cause));
    return handle;
  }

  /** Notifications of modern clients are for their requests, and those have streams of their own. */
  notification(): void {}

  /** A modern client sends none. */
  response(): void {}

  /** The caller has gone. */
  abandon(handle: number): void {
    this.#running.get(handle)?.();
    this.#running.delete(handle);
  }

  /** Callers come and go without a word. */
  leave(): void {}

  /** Nobody uses it any more. */
  end(): void {
    this.#catalog.mourners.delete(this.#mourner);
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async #take(call: Call): Promise<void> {
    const { frame } = call, router = this.#router;
    switch (frame.method) {
      case "server/discover":
        return this.#discover(call);
      case "tools/call":
        return router.named("tools", call);
      case "prompts/get":
        return router.named("prompts", call);
      case "tools/list":
        return this.#list("tools", call);
      case "prompts/list":
        return this.#list("prompts", call);
      case "resources/list":
        return this.#list("resources", call);
      case "resources/templates/list":
        return this.#list("resourceTemplates", call);
      case "resources/read":
        return router.resource(call);
      case "completion/complete":
        return router.complete(call);
      case "subscriptions/listen":
        return this.#listen(call);
      case "tasks/get":
      case "tasks/update":
      case "tasks/cancel":
        return router.task(call);
      default:
        return router.other(call);
    }
  }

  get #visible(): Source[] {
    return this.#catalog.visible(this.#principal);
  }

  async #present(): Promise<Source[]> {
    const found = await Promise.all(this.#visible.map(async (source) => {
      return await source.present() ? [source] : [];
    }));
    return found.flat();
  }

  #reach(): Reach {
    return {
      notFound: CODE.invalidParams,
      present: () => this.#present(),
      capabilities: ({ modern }) =>
        profileOf(modern?.discovered ?? {}).capabilities,
      list: (source, kind, { frame, exchange }) => {
        const meta = frame.value(frame.metaAt, frame.metaEnd) as
          | Record<string, unknown>
          | undefined;
        const can = meta?.[META.clientCapabilities] ?? {};
        return source.offerings.modernList(kind, can, exchange.headers);
      },
      send: (source, call) => {
        this.#send(source, call).catch((cause) => failed(call, cause));
      },
    };
  }

  async #send(
    source: Source,
    { frame, exchange, handle }: Call,
  ): Promise<void> {
    const modern = await source.openModern();
    if (!modern) {
      throw new Error(`Server "${source.name}" speaks only legacy versions`);
    }
    // The caller may have gone in the meantime.
    if (!this.#running.has(handle)) return;
    const at = modern.receiver.request(frame, {
      ...through(exchange),
      respond: (bytes, code) => {
        if (code === 0) this.#noteTask(source, bytes);
        exchange.respond(bytes, code);
      },
    });
    if (this.#running.has(handle)) {
      this.#running.set(handle, () => modern.receiver.abandon(at));
    }
  }

  #noteTask(source: Source, bytes: Bytes): void {
    const frame = readFrame(bytes);
    if (!frame.tasked) return;
    const result = frame.value(frame.resultAt, frame.resultEnd) as {
      taskId?: unknown;
      task?: { taskId?: unknown };
    };
    this.#router.ownTask(result.taskId ?? result.task?.taskId, source);
  }

  async #discover({ frame, exchange }: Call): Promise<void> {
    const said = (await this.#present()).map((source) => ({
      source,
      profile: profileOf(source.modern?.discovered ?? {}),
    }));
    const { serverInfo, ...rest } = introduction(this.#catalog.identity, said);
    const result = {
      resultType: "complete",
      supportedVersions: this.versions,
      capabilities: mergedCapabilities(
        said.map(({ profile }) => profile),
        said.length < this.#visible.length,
      ),
      ...rest,
      ttlMs: 0,
      cacheScope: "private",
      _meta: { [META.serverInfo]: serverInfo },
    };
    exchange.respond(message.resultResponse(frame.id, result), 0);
  }

  async #list(kind: ListKind, call: Call): Promise<void> {
    const shares = await this.#router.merged(kind, call);
    const { serverInfo } = introduction(this.#catalog.identity, []);
    const ttls = shares.map(({ listing }) => listing.ttlMs);
    // Servers come and go, and not everybody sees all of them.
    const result = listResult(
      LISTS[kind].member,
      shares.flatMap((share) => share.items),
      {
        resultType: "complete",
        ttlMs: ttls.length === 0 ? 0 : Math.min(...ttls),
        cacheScope: this.#principal === "" && shares.length > 0 &&
            shares.every(({ listing }) => listing.shared)
          ? "public"
          : "private",
        _meta: { [META.serverInfo]: serverInfo },
      },
    );
    const { frame, exchange } = call;
    exchange.respond(message.rawResultResponse(frame.id, result), 0);
  }

  // One stream for changes of all lists, which are the catalog's own business, and of resources, which are their owners'.
  async #listen(call: Call): Promise<void> {
    const listening = new Listening(this.#catalog, this.#principal, call);
    const owned: { source: Source; uri: string; shown: string }[] = [];
    for (const uri of listening.uris) {
      // deno-lint-ignore no-await-in-loop -- the first one brings the lists, the others find them
      const owner = await this.#router.owner(uri, call);
      if (owner) owned.push({ ...owner, shown: uri });
    }
    if (!this.#running.has(call.handle)) return;
    this.#running.set(call.handle, () => listening.end());
    listening.begin(owned);
  }
}
