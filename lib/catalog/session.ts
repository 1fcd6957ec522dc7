import { CODE, LATEST_LEGACY, LEGACY_VERSIONS } from "../mcp/eras.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import { raw } from "../mcp/splice.ts";
import { LEVELS } from "../relay/memory.ts";
import { answer, cancelled, Client, progressed } from "../relay/client.ts";
import type { ClientLeg, Exchange, Receiver } from "../wire/leg.ts";
import type { Audience, Catalog, Watcher } from "./catalog.ts";
import { type ListKind, listResult, LISTS } from "./lists.ts";
import { introduction, mergedCapabilities } from "./merge.ts";
import { aliased, refuse, through } from "./rewrite.ts";
import { type Call, failed, type Reach, Router } from "./router.ts";
import type { Profile } from "./profile.ts";
import type { Source } from "./source.ts";
import { allTasks } from "./tasks.ts";
import { Ties } from "./ties.ts";

/** The code of a resource that is not there (2025-11-25, resources: error handling). */
const NOT_FOUND = -32002;

/** A legacy client's session with all the servers that it may use. */
export class CatalogSession implements Receiver {
  #catalog: Catalog;
  #client: Client;
  #principal: string;
  #ties: Ties;
  #router: Router;
  #ready = false;
  /** Requests for servers that are still being opened, by their ids. */
  #waiting: Map<string, Exchange> = new Map();
  #watcher: Watcher = (kind, audiences) => this.#changed(kind, audiences);
  #mourner = (source: Source) => {
    this.#ties.drop(source);
    this.#router.forget(source);
  };

  /** Joins a client; `principal` decides what it sees. */
  constructor(catalog: Catalog, leg: ClientLeg, principal: string) {
    this.#catalog = catalog;
    this.#principal = principal;
    this.#client = new Client(leg, true, (relay, frame, bytes) => {
      const source = this.#ties.sourceOf(relay);
      return this.#heard(source, frame, bytes);
    });
    this.#ties = new Ties(this.#client);
    this.#router = new Router(catalog, principal, this.#reach());
    catalog.watchers.add(this.#watcher);
    catalog.mourners.add(this.#mourner);
  }

  /** Takes a request. */
  request(frame: Frame, exchange: Exchange): number {
    if (
      this.#client.running?.has(frame.id) || this.#waiting.has(frame.id)
    ) {
      const text =
        `Invalid request: id ${frame.id} is in use by a request that still runs`;
      exchange.refuse(
        message.errorResponse(frame.id, CODE.invalidRequest, text),
      );
      return 0;
    }
    try {
      this.#take({ frame, exchange, handle: 0 });
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      const text = `Parse error: ${cause.message}`;
      exchange.refuse(message.errorResponse(frame.id, CODE.parse, text));
    }
    return 0;
  }

  /** Takes a notification. */
  notification(frame: Frame): void {
    switch (frame.method) {
      case "notifications/cancelled":
        this.#cancelWaiting(frame);
        return cancelled(this.#client, frame);
      case "notifications/progress":
        return progressed(this.#client, frame);
      case "notifications/initialized":
        this.#ready = true;
        return;
      default:
        for (const relay of this.#ties.relays) {
          relay.notification(this.#client, frame);
        }
    }
  }

  /** Takes the response to a server's request. */
  response(frame: Frame): void {
    answer(this.#client, frame);
  }

  /** The caller of a request has gone; a legacy client's requests go on. */
  abandon(): void {}

  /** The client has gone. */
  leave(): void {
    this.#catalog.watchers.delete(this.#watcher);
    this.#catalog.mourners.delete(this.#mourner);
    this.#ties.end();
  }

  #take(call: Call): void {
    const { frame, exchange } = call, router = this.#router;
    const later = (done: Promise<unknown>) =>
      void done.catch((cause) => failed(call, cause));
    switch (frame.method) {
      case "tools/call":
        return router.named("tools", call);
      case "prompts/get":
        return router.named("prompts", call);
      case "initialize":
        return later(this.#initialize(call));
      case "ping":
        return exchange.respond(message.resultResponse(frame.id, {}), 0);
      case "tools/list":
        return later(this.#list("tools", call));
      case "prompts/list":
        return later(this.#list("prompts", call));
      case "resources/list":
        return later(this.#list("resources", call));
      case "resources/templates/list":
        return later(this.#list("resourceTemplates", call));
      case "resources/read":
      case "resources/subscribe":
      case "resources/unsubscribe":
        return later(router.resource(call));
      case "completion/complete":
        return later(router.complete(call));
      case "logging/setLevel":
        return this.#setLevel(call);
      case "tasks/list":
        return later(this.#tasks(call));
      case "tasks/get":
      case "tasks/result":
      case "tasks/cancel":
        return router.task(call);
      default:
        return later(router.other(call));
    }
  }

  get #sources(): Source[] {
    return this.#catalog.visible(this.#principal);
  }

  get #up(): Source[] {
    return this.#sources.filter((source) => source.up);
  }

  #reach(): Reach {
    return {
      notFound: NOT_FOUND,
      present: () => Promise.resolve(this.#up),
      capabilities: (source) => source.legacy?.capabilities ?? {},
      list: (source, kind, { exchange: { headers } }) => {
        const own = this.#ties.shares(source)
          ? undefined
          : () => this.#ties.open(source, headers);
        return source.offerings.list(kind, this.#client, own, headers);
      },
      send: (source, call) => this.#send(source, call),
    };
  }

  #send(source: Source, call: Call): void {
    const { frame } = call;
    const exchange = this.#noting(source, call);
    const relay = this.#ties.relay(source);
    if (relay) {
      relay.request(this.#client, frame, exchange);
      return;
    }
    const { id } = frame;
    this.#waiting.set(id, exchange);
    // Whoever has cancelled it in the meantime does not want it to run.
    const mine = () =>
      this.#waiting.get(id) === exchange && this.#waiting.delete(id);
    this.#ties.open(source, exchange.headers).then(
      (opened) => {
        if (mine()) opened.request(this.#client, frame, exchange);
      },
    ).catch((cause) => {
      mine();
      failed(call, cause);
    });
  }

  #cancelWaiting(frame: Frame): void {
    const id = raw(frame.bytes, frame.requestIdAt, frame.requestIdEnd);
    const exchange = this.#waiting.get(id);
    if (!exchange) return;
    this.#waiting.delete(id);
    const text = "Request cancelled by the client";
    exchange.cancelled(message.errorResponse(id, CODE.internal, text));
  }

  // What is agreed on makes state, which a process that takes another one's place has to be told.
  #noting(source: Source, { frame, exchange }: Call): Exchange {
    const note = frame.tasked
      ? (bytes: Bytes) => this.#router.ownTask(taskIdIn(bytes), source)
      : frame.method === "resources/subscribe"
      ? () => this.#ties.subscribe(source, frame)
      : frame.method === "resources/unsubscribe"
      ? () => this.#ties.unsubscribe(source, frame)
      : undefined;
    if (!note) return exchange;
    return {
      ...through(exchange),
      respond: (bytes, code) => {
        if (code === 0) note(bytes);
        exchange.respond(bytes, code);
      },
    };
  }

  // ---- what is asked of all of them ----

  async #initialize({ frame, exchange }: Call): Promise<void> {
    this.#client.introduce(frame);
    const params =
      (frame.value(frame.paramsAt, frame.paramsEnd) ?? {}) as Record<
        string,
        unknown
      >;
    this.#ties.introduce(params);
    const sources = this.#sources;
    await Promise.all(sources.map((source) => source.settled()));
    const said = sources.flatMap((
      source,
    ): { source: Source; profile: Profile }[] =>
      source.legacy ? [{ source, profile: source.legacy }] : []
    );
    for (const source of sources) {
      if (!source.legacy && source.modern) source.leaveOut("legacy");
    }
    const wanted = params["protocolVersion"];
    const known = LEGACY_VERSIONS.find((version) => version === wanted);
    this.#client.version = known ?? LATEST_LEGACY;
    const result = {
      protocolVersion: this.#client.version,
      capabilities: mergedCapabilities(
        said.map(({ profile }) => profile),
        said.length < sources.length,
      ),
      ...introduction(this.#catalog.identity, said),
    };
    exchange.respond(message.resultResponse(frame.id, result), 0);
  }

  async #list(kind: ListKind, call: Call): Promise<void> {
    const shares = await this.#router.merged(kind, call);
    const items = shares.flatMap((share) => share.items);
    const result = listResult(LISTS[kind].member, items, {});
    const { frame, exchange } = call;
    exchange.respond(message.rawResultResponse(frame.id, result), 0);
  }

  // Nobody waits for a server to take it: those that are not open yet hear it first of all.
  #setLevel({ frame, exchange }: Call): void {
    const { level } = (frame.value(frame.paramsAt, frame.paramsEnd) ?? {}) as {
      level?: unknown;
    };
    if (typeof level !== "string" || !LEVELS.includes(level)) {
      const text = `Invalid params: level must be one of ${LEVELS.join(", ")}`;
      return refuse(frame, exchange, CODE.invalidParams, text);
    }
    this.#client.level = level;
    this.#ties.tellLevel();
    exchange.respond(message.resultResponse(frame.id, {}), 0);
  }

  async #tasks({ frame, exchange }: Call): Promise<void> {
    const items = await allTasks(this.#up, this.#ties, exchange.headers);
    const own = items.filter(({ source, item }) => {
      // A process that many share lists the tasks of them all.
      if (this.#ties.shares(source)) return this.#router.owns(item.name);
      this.#router.ownTask(item.name, source);
      return true;
    });
    const bytes = own.map(({ item }) => item.bytes);
    const result = listResult("tasks", bytes, {});
    exchange.respond(message.rawResultResponse(frame.id, result), 0);
  }

  // ---- what they say by themselves ----

  #heard(
    source: Source | undefined,
    frame: Frame,
    bytes: Bytes,
  ): Bytes | undefined {
    // Changes of lists are the catalog's to tell.
    if (!source?.opensTo(this.#principal)) return undefined;
    if (frame.method.endsWith("/list_changed")) return undefined;
    return aliased(bytes, this.#catalog.aliases(source));
  }

  #changed(kind: ListKind, audiences: ReadonlySet<Audience>): void {
    if (!this.#ready || kind === "resourceTemplates") return;
    const mine = [...audiences].some((one) => one.opensTo(this.#principal));
    if (mine) {
      this.#client.leg.push(message.notification(LISTS[kind].changed));
    }
  }
}

function taskIdIn(bytes: Bytes): unknown {
  const frame = readFrame(bytes);
  const { task } = frame.value(frame.resultAt, frame.resultEnd) as {
    task?: { taskId?: unknown };
  };
  return task?.taskId;
}
