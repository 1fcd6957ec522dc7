/**
 * One configured server: starts its processes or connections when clients need them, keeps one warm, starts again what
 * has died, and knows how it is.
 *
 * @module
 */
import type { Isolation, ServerSpec } from "../config/server_spec.ts";
import {
  type Era,
  isModernError,
  LATEST_LEGACY,
  LATEST_MODERN,
  META,
} from "../mcp/eras.ts";
import { log } from "../log.ts";
import type { Client } from "../relay/client.ts";
import { Relay, ServerError } from "../relay/relay.ts";
import { Child } from "../wire/child.ts";
import type {
  ClientLeg,
  Receiver,
  UpstreamEvents,
  UpstreamLeg,
} from "../wire/leg.ts";
import type { ModernServer } from "../wire/modern_server.ts";
import { version } from "../version.ts";
import { Backoff } from "./backoff.ts";

/** How a server is run. */
export interface ServerOptions {
  /** A child for each session, or one for all, where its own entry does not say. */
  isolation: Isolation;
  /** The environment of its children. */
  env: Record<string, string>;
  /** Opens the leg to a remote server. */
  connect: (
    spec: ServerSpec & { kind: "remote" },
    events: UpstreamEvents,
  ) => UpstreamLeg;
}

/** How a server is: `starting` until one of its processes has shown that it works. */
export type ServerState = "starting" | "running" | "failed" | "closed";

/** Longest time that a server may take to answer the first message, in ms, where its entry does not say. */
const START_TIMEOUT = 60_000;
/** After how many ms without an answer to `server/discover` a server is also asked in the legacy way. */
const PROBE_PATIENCE = 3000;
/** A process that lives for so many ms has started. */
const SETTLED = 1000;
/** For how many ms a server's list of tools is not asked for again. */
const TOOLS_FRESH = 5000;

/** What a shared server is told that clients can do: each of its requests is then checked against its owner. */
const ALL_CAPABILITIES = {
  roots: { listChanged: true },
  sampling: {},
  elicitation: { form: {}, url: {} },
};

const ENVELOPE = {
  [META.protocolVersion]: LATEST_MODERN,
  [META.clientCapabilities]: {},
  [META.clientInfo]: { name: "mcp-proxy", version },
};

/** One configured server. */
export class Server {
  /** What the user configured. */
  readonly spec: ServerSpec;
  /** The last thing that went wrong, or `""`. */
  lastError = "";
  /** How many processes have been started in place of ones that died. */
  restarts = 0;
  /** The era that it was found to speak on top of the legacy one; `undefined` before anybody asked. */
  era: Era | undefined;
  /** Called whenever its state changes. */
  onstate: () => void = () => {};

  #options: ServerOptions;
  #state: ServerState = "starting";
  #everWorked = false;
  #children: Set<Child> = new Set();
  #relays: Set<Relay> = new Set();
  #spare: Child | undefined;
  #backoff = new Backoff();
  #spareTimer: ReturnType<typeof setTimeout> | undefined;
  #settleTimer: ReturnType<typeof setTimeout> | undefined;
  #reviveTimer: ReturnType<typeof setTimeout> | undefined;
  #shared: Promise<Relay> | undefined;
  #modern: Promise<ModernServer | undefined> | undefined;

  /** Takes what is configured; nothing is started yet. */
  constructor(spec: ServerSpec, options: ServerOptions) {
    this.spec = spec;
    this.#options = options;
  }

  /** How it is. */
  get state(): ServerState {
    return this.#state;
  }

  /** Whether it has ever worked. */
  get everWorked(): boolean {
    return this.#everWorked;
  }

  /** The ids of its processes. */
  get pids(): number[] {
    return [...this.#children].map((child) => child.pid);
  }

  /** How its clients share it. */
  get isolation(): Isolation {
    return this.spec.isolation ?? this.#options.isolation;
  }

  /** Starts what is to be there before the first client comes. Failures show in the state. */
  start(): void {
    if (this.spec.kind === "remote") return this.#setState("running");
    this.#keepWarm();
  }

  /** Joins a client with a session of its own. Rejects with an error for people. */
  async session(leg: ClientLeg): Promise<Receiver & { client: Client }> {
    if (this.isolation === "shared") {
      return (await this.#sharedRelay()).join(leg, true);
    }
    const relay = this.#relay(
      true,
      (reason) => leg.close(`${this.#called} ${reason}`),
    );
    this.#attach(relay, this.#take());
    const member = relay.join(leg, true);
    return {
      ...member,
      leave: () => {
        member.leave();
        void relay.close("was left by its client");
      },
    };
  }

  /** Where the messages of legacy clients without a session go. Rejects with an error for people. */
  async shared(): Promise<Receiver> {
    const relay = await this.#sharedRelay();
    return relay.join({ push() {}, close() {} }, false);
  }

  /** Where modern requests go; `undefined` where it speaks only legacy versions. Rejects with an error for people. */
  modern(): Promise<ModernServer | undefined> {
    if (this.era === "legacy") return Promise.resolve(undefined);
    return this.#modern ??= this.#probe().catch((cause) => {
      this.#modern = undefined;
      throw cause;
    });
  }

  /** Ends everything of it; resolves when no process is left. */
  async close(): Promise<void> {
    this.#setState("closed");
    clearTimeout(this.#spareTimer);
    clearTimeout(this.#settleTimer);
    clearTimeout(this.#reviveTimer);
    await Promise.all(
      [...this.#relays].map((relay) => relay.close("is shutting down")),
    );
    await Promise.all([...this.#children].map((child) => child.close()));
  }

  // ---- processes ----

  get #called(): string {
    return `Server "${this.spec.name}"`;
  }

  #setState(state: ServerState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    if (state === "running") this.#everWorked = true;
    this.onstate();
  }

  #worked(): void {
    this.#backoff.succeed();
    this.#setState("running");
  }

  #failed(reason: string): void {
    this.lastError = reason;
    this.#backoff.fail();
    log.error(
      `${reason}; next try in ${(this.#backoff.wait / 1000).toFixed(1)} s`,
    );
    this.#setState("failed");
  }

  #spawn(): Child {
    const { spec } = this;
    if (spec.kind === "remote") throw new Error(`${this.#called} is remote`);
    if (this.#state === "closed") {
      throw new Error(`${this.#called} is shutting down`);
    }
    if (this.#backoff.wait > 0) {
      throw new Error(
        `${this.lastError}; it is tried again in ${
          Math.ceil(this.#backoff.wait / 1000)
        } s`,
      );
    }
    let child: Child;
    try {
      child = new Child({
        name: spec.name,
        command: spec.command,
        args: spec.args,
        env: this.#options.env,
        ...spec.cwd === undefined ? {} : { cwd: spec.cwd },
      });
    } catch (cause) {
      this.#failed(textOf(cause));
      throw cause;
    }
    log.debug(`${this.#called} started`, {
      pid: child.pid,
      command: spec.command,
    });
    this.#children.add(child);
    child.ended.then(() => {
      this.#children.delete(child);
      if (this.#spare === child) this.#spareDied(child);
    });
    return child;
  }

  // Takes the warm child, or starts one.
  #take(): UpstreamLeg | undefined {
    if (this.spec.kind === "remote") return undefined;
    const child = this.#spare ?? this.#spawn();
    this.#spare = undefined;
    clearTimeout(this.#settleTimer);
    this.#warmLater(50);
    return child;
  }

  #warmLater(ms: number): void {
    clearTimeout(this.#spareTimer);
    if (this.#state !== "closed") {
      this.#spareTimer = setTimeout(() => this.#keepWarm(), ms);
    }
  }

  #keepWarm(): void {
    if (
      this.#spare || this.#state === "closed" ||
      this.isolation === "shared" && this.#shared
    ) return;
    try {
      this.#spare = this.#spawn();
      clearTimeout(this.#settleTimer);
      this.#settleTimer = setTimeout(() => this.#worked(), SETTLED);
    } catch {
      this.#warmLater(this.#backoff.wait);
    }
  }

  #spareDied(child: Child): void {
    this.#spare = undefined;
    clearTimeout(this.#settleTimer);
    if (this.#state === "closed") return;
    this.#failed(
      `${this.#called} ${child.reason} before anybody used it${said(child)}`,
    );
    this.#warmLater(this.#backoff.wait);
  }

  // ---- relays ----

  #relay(exclusive: boolean, onclosed: (reason: string) => void): Relay {
    const { timeoutMs } = this.spec;
    const relay = new Relay({
      name: this.spec.name,
      exclusive,
      // Whoever has no session cannot be asked anything.
      capabilities: this.isolation === "shared" ? ALL_CAPABILITIES : {},
      ...timeoutMs === undefined ? {} : { timeoutMs },
      startTimeoutMs: timeoutMs ?? START_TIMEOUT,
      onanswer: () => this.#worked(),
      onclosed: (reason) => {
        this.#relays.delete(relay);
        onclosed(reason);
      },
    });
    this.#relays.add(relay);
    return relay;
  }

  #attach(relay: Relay, leg: UpstreamLeg | undefined): void {
    this.#relays.add(relay);
    if (this.spec.kind === "remote") {
      return relay.attach(this.#options.connect(this.spec, relay));
    }
    if (!(leg instanceof Child)) {
      throw new Error(`${this.#called} has no process`);
    }
    const closed = (reason: string) => {
      if (relay.closedReason !== "" || this.#state === "closed") {
        return relay.closed(reason);
      }
      this.lastError = `${this.#called} ${reason}${said(leg)}`;
      if (!relay.answered) this.#failed(this.lastError);
      else log.error(this.lastError);
      this.restarts++;
      relay.closed(reason);
    };
    if (leg.reason !== "") return closed(leg.reason);
    leg.events = {
      receive: (frame, about) => relay.receive(frame, about),
      failed: (id, text, code, data) => relay.failed(id, text, code, data),
      lost: (reason, undelivered) => relay.lost(reason, undelivered),
      closed,
    };
    relay.attach(leg);
  }

  #sharedRelay(): Promise<Relay> {
    return this.#shared ??= this.#openShared().catch((cause) => {
      this.#shared = undefined;
      throw cause;
    });
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async #openShared(): Promise<Relay> {
    const relay = this.#relay(false, () => this.#revive(relay));
    this.#attach(relay, this.#take());
    return relay;
  }

  // A shared server's clients stay: a new process is told what the old one had been told.
  #revive(relay: Relay): void {
    clearTimeout(this.#reviveTimer);
    if (this.#state === "closed") return;
    this.#reviveTimer = setTimeout(() => {
      try {
        this.#attach(relay, this.#take());
      } catch {
        this.#revive(relay);
      }
    }, this.#backoff.wait);
  }

  // ---- eras ----

  // The first thing that the process hears is `server/discover`, in an envelope: a process of an SDK takes its era from
  // the first message, and some legacy ones end at it. So it is never a process that a session waits for.
  async #probe(): Promise<ModernServer | undefined> {
    const relay = this.#relay(false, () => {
      this.#modern = undefined;
    });
    this.#attach(
      relay,
      this.spec.kind === "remote" ? undefined : this.#spawn(),
    );
    const { promise: patience, resolve } = Promise.withResolvers<"legacy">();
    const timer = setTimeout(() => {
      const params = {
        protocolVersion: LATEST_LEGACY,
        capabilities: {},
        clientInfo: { name: "mcp-proxy", version },
      };
      relay.ask("initialize", params).then(() => resolve("legacy"), () => {});
    }, PROBE_PATIENCE);
    try {
      const found = await Promise.race([this.#discover(relay), patience]);
      if (found === "legacy") {
        this.era = "legacy";
        void relay.close("speaks only legacy versions");
        return undefined;
      }
      this.era = "modern";
      const receiver = relay.join({ push() {}, close() {} }, false);
      return { receiver, versions: found, tool: toolFinder(relay) };
    } finally {
      clearTimeout(timer);
    }
  }

  async #discover(relay: Relay): Promise<string[] | "legacy"> {
    try {
      const answer = await relay.ask("server/discover", { _meta: ENVELOPE });
      const { supportedVersions } = answer.value(
        answer.resultAt,
        answer.resultEnd,
      ) as { supportedVersions?: string[] };
      return Array.isArray(supportedVersions)
        ? supportedVersions
        : [LATEST_MODERN];
    } catch (cause) {
      if (
        relay.closedReason !== "" && this.#children.size === 0 &&
        !this.#everWorked
      ) throw cause;
      return cause instanceof ServerError && isModernError(cause.code)
        ? [LATEST_MODERN]
        : "legacy";
    }
  }
}

// Finds a tool in the server's list, which is asked for anew when a name is not in it, but not all the time.
function toolFinder(relay: Relay): ModernServer["tool"] {
  let tools: Map<string, { inputSchema?: unknown }> = new Map();
  let asked = -Infinity;
  return async (name) => {
    if (tools.has(name) || performance.now() - asked < TOOLS_FRESH) {
      return tools.get(name);
    }
    asked = performance.now();
    const found: typeof tools = new Map();
    let cursor: string | undefined;
    for (let page = 0; page < 100; page++) {
      // deno-lint-ignore no-await-in-loop -- pages come one after the other
      const answer = await relay.ask("tools/list", {
        ...cursor === undefined ? {} : { cursor },
        _meta: ENVELOPE,
      });
      const result = answer.value(answer.resultAt, answer.resultEnd) as {
        tools?: { name: string; inputSchema?: unknown }[];
        nextCursor?: string;
      };
      for (const tool of result.tools ?? []) found.set(tool.name, tool);
      cursor = result.nextCursor;
      if (cursor === undefined) break;
    }
    tools = found;
    return tools.get(name);
  };
}

function said(child: Child): string {
  return child.lastWords === "" ? "" : `; it said: ${child.lastWords}`;
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
