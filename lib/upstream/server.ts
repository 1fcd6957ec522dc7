/**
 * One configured server: starts its processes or connections when clients need them, keeps one warm, starts again what
 * has died, and knows how it is.
 *
 * @module
 */
import type { Isolation, ServerSpec } from "../config/server_spec.ts";
import type { Era } from "../mcp/eras.ts";
import { log } from "../log.ts";
import type { Client } from "../relay/client.ts";
import { Relay } from "../relay/relay.ts";
import { Child } from "../wire/child.ts";
import type {
  ClientLeg,
  Receiver,
  UpstreamEvents,
  UpstreamLeg,
} from "../wire/leg.ts";
import { Backoff } from "./backoff.ts";
import { type ModernUpstream, probeEra } from "./probe.ts";

/** How a server is run. */
export interface ServerOptions {
  /** A child for each session, or one for all, where its own entry does not say. */
  isolation: Isolation;
  /** The environment of its children. */
  env: Record<string, string>;
  /** Takes the method of `list_changed` notifications. */
  onlistchanged?: (method: string) => void;
  /** Called when a shared process has been started again, and told all that the last one had been told. */
  onrecovered?: () => void;
  /** Called when a request did not get through to a remote server. */
  onfault?: () => void;
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
/** A process that lives for so many ms has started. */
const SETTLED = 1000;
/** A process that dies after fewer ms than this is not replaced at once for a second time. */
const STEADY = 10_000;

/** What a shared server is told that clients can do: each of its requests is then checked against its owner. */
const ALL_CAPABILITIES = {
  roots: { listChanged: true },
  sampling: {},
  elicitation: { form: {}, url: {} },
};

/** One configured server. */
export class Server {
  /** What the user configured. */
  spec: ServerSpec;
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
  #reviveNow: (() => void) | undefined;
  #probes: WeakSet<Relay> = new WeakSet();
  #dropped: WeakSet<Relay> = new WeakSet();
  #shared: Promise<Relay> | undefined;
  #sharedReceiver: Receiver | undefined;
  #modern: Promise<ModernUpstream | undefined> | undefined;

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

  /** Ms until a process may be started again. */
  get wait(): number {
    return this.#backoff.wait;
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
  async session(leg: ClientLeg): Promise<Receiver> {
    if (this.isolation === "shared") {
      return (await this.openShared()).join(leg, true);
    }
    const relay = this.#relay(
      true,
      (reason) => leg.close(`${this.#called} ${reason}`),
    );
    this.#attach(relay, () => this.#take());
    this.#warmLater(50);
    const member = relay.join(leg, true);
    return {
      ...member,
      leave: () => {
        member.leave();
        void relay.close("was left by its client");
      },
    };
  }

  /**
   * A process or connection for one client alone, who is joined to other servers too and so cannot say hello itself:
   * `params` are those of its `initialize`, and `headers` of the request that needs it. `onclosed` is called when it is
   * gone. Rejects with an error for people.
   */
  async openFor(
    client: Client,
    params: Record<string, unknown>,
    headers: Headers | undefined,
    onclosed: () => void,
  ): Promise<Relay> {
    const relay = this.#relay(true, onclosed);
    this.#attach(relay, () => this.#take());
    relay.admit(client);
    try {
      await relay.hello(params, headers);
    } catch (cause) {
      void relay.close("could not be opened");
      throw cause;
    }
    return relay;
  }

  /**
   * Goes over to another command, environment or URL. Sessions stay: running requests may end on the old process, up to
   * `patience` ms, and the new one is told all that the old one had been told.
   */
  async respec(
    spec: ServerSpec,
    env: Record<string, string>,
    patience: number,
  ): Promise<void> {
    this.spec = spec;
    this.#options = { ...this.#options, env };
    this.era = undefined;
    this.#modern = undefined;
    this.#backoff.succeed();
    const spare = this.#spare;
    this.#spare = undefined;
    void spare?.close();
    const renewed = [...this.#relays].map((relay) => {
      Object.assign(relay.options, this.#limits);
      // Modern requests go to another process as soon as there is one: each of them stands for itself.
      if (this.#probes.has(relay)) return this.#retire(relay, patience);
      return relay.renew(() => this.#leg(relay), patience);
    });
    this.#reviveNow?.();
    await Promise.all(renewed);
  }

  /** Ends the shared process: the server turned out to speak no version that it could be used with. */
  async closeShared(): Promise<void> {
    const shared = this.#shared;
    this.#shared = this.#sharedReceiver = undefined;
    const relay = await shared?.catch(() => undefined);
    if (!relay) return;
    this.#dropped.add(relay);
    await relay.close("speaks only versions without initialize");
  }

  /** Exchanges the shared process for a new one, because it gives no sign of life. */
  async restartShared(): Promise<void> {
    const relay = await this.#shared?.catch(() => undefined);
    await relay?.renew(() => this.#leg(relay), 0);
  }

  /** It cannot be used, for a reason that no process's end has told. */
  fault(reason: string): void {
    this.lastError = reason;
    this.#backoff.fail();
    for (const relay of this.#relays) relay.answered = false;
    this.#setState("failed");
  }

  /** It has shown that it works. */
  works(): void {
    this.#worked();
  }

  /** Where the messages of legacy clients without a session go. Rejects with an error for people. */
  async shared(): Promise<Receiver> {
    const relay = await this.openShared();
    return this.#sharedReceiver ??= relay.join(
      { push() {}, close() {} },
      false,
    );
  }

  /** Where modern requests go; `undefined` where it speaks only legacy versions. Rejects with an error for people. */
  modern(): Promise<ModernUpstream | undefined> {
    if (this.era === "legacy") return Promise.resolve(undefined);
    if (this.#modern) return this.#modern;
    const forget = () => {
      if (this.#modern === asked) this.#modern = undefined;
    };
    const asked: Promise<ModernUpstream | undefined> = this.#probe(forget)
      .catch((cause) => {
        forget();
        throw cause;
      });
    return this.#modern = asked;
  }

  /** Resolves when nothing runs at it, or when `patience` ms are over. */
  async drain(patience: number): Promise<void> {
    const until = performance.now() + patience;
    const busy = () => [...this.#relays].some((relay) => relay.busy);
    while (busy() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends everything of it; resolves when no process is left. */
  async close(): Promise<void> {
    this.#setState("closed");
    clearTimeout(this.#spareTimer);
    clearTimeout(this.#settleTimer);
    clearTimeout(this.#reviveTimer);
    await Promise.all([
      ...[...this.#relays].map((relay) => relay.close("is shutting down")),
      ...[...this.#children].map((child) => child.close()),
    ]);
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
    // One process of many may fail where the others do what they should.
    const works = [...this.#relays].some((relay) =>
      relay.answered && relay.closedReason === ""
    );
    if (!works) this.#setState("failed");
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
  #take(): Child {
    const child = this.#spare ?? this.#spawn();
    this.#spare = undefined;
    clearTimeout(this.#settleTimer);
    return child;
  }

  #warmLater(ms: number): void {
    clearTimeout(this.#spareTimer);
    if (this.#state !== "closed" && this.spec.kind === "stdio") {
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

  // How long requests may take.
  get #limits(): { timeoutMs: number; startTimeoutMs: number } {
    const { timeoutMs } = this.spec;
    return {
      timeoutMs: timeoutMs ?? 0,
      startTimeoutMs: timeoutMs ?? START_TIMEOUT,
    };
  }

  #relay(exclusive: boolean, onclosed: (reason: string) => void): Relay {
    const relay = new Relay({
      name: this.spec.name,
      exclusive,
      // Whoever has no session cannot be asked anything.
      capabilities: this.isolation === "shared" ? ALL_CAPABILITIES : {},
      ...this.#limits,
      onanswer: () => this.#worked(),
      ...this.#options.onlistchanged
        ? { onlistchanged: this.#options.onlistchanged }
        : {},
      ...this.#options.onrecovered && !exclusive
        ? { onrecovered: this.#options.onrecovered }
        : {},
      onclosed: (reason) => {
        this.#relays.delete(relay);
        onclosed(reason);
      },
    });
    this.#relays.add(relay);
    return relay;
  }

  // `harmless`: a process that ends without an answer says nothing about the server.
  #attach(
    relay: Relay,
    start: () => Child,
    harmless = false,
  ): void {
    try {
      this.#relays.add(relay);
      relay.attach(this.#leg(relay, start, harmless));
    } catch (cause) {
      this.#relays.delete(relay);
      throw cause;
    }
  }

  #leg(
    relay: Relay,
    start: () => Child = () => this.#spawn(),
    harmless = false,
  ): UpstreamLeg {
    if (this.spec.kind === "remote") {
      return this.#options.connect(this.spec, this.#watched(relay));
    }
    const child = start();
    const closed = (reason: string) => {
      // A process that has been replaced may end as it likes.
      if (!relay.has(child)) return;
      if (relay.closedReason !== "" || this.#state === "closed") {
        return relay.closed(reason);
      }
      if (harmless && !relay.answered) return relay.closed(reason);
      this.lastError = `${this.#called} ${reason}${said(child)}`;
      if (!relay.answered) this.#failed(this.lastError);
      else log.error(this.lastError);
      this.restarts++;
      relay.closed(reason);
    };
    child.events = {
      // What has been replaced can ask nothing any more: the answer would go to its successor.
      receive: (frame, about) => {
        if (relay.has(child)) relay.receive(frame, about);
      },
      failed: (id, text, code, data) => relay.failed(id, text, code, data),
      lost: (reason, undelivered) => relay.lost(reason, undelivered),
      closed,
    };
    // It may have ended while it was kept warm, or between its start and now.
    if (child.reason !== "") queueMicrotask(() => closed(child.reason));
    return child;
  }

  #watched(relay: Relay): UpstreamEvents {
    const { onfault } = this.#options;
    if (!onfault) return relay;
    return {
      receive: (frame, about) => relay.receive(frame, about),
      failed: (id, text, code, data) => {
        relay.failed(id, text, code, data);
        if (code === undefined) onfault();
      },
      lost: (reason, undelivered) => relay.lost(reason, undelivered),
      closed: (reason) => relay.closed(reason),
    };
  }

  // Ends when nothing runs at it any more, or when `patience` ms are over.
  async #retire(relay: Relay, patience: number): Promise<void> {
    relay.endListens();
    const until = performance.now() + patience;
    while (relay.busy && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await relay.close("was replaced");
  }

  /** The relay that all clients without a process of their own share. Rejects with an error for people. */
  openShared(): Promise<Relay> {
    return this.#shared ??= this.#openShared().catch((cause) => {
      this.#shared = undefined;
      throw cause;
    });
  }

  // deno-lint-ignore require-await -- rejects instead of throwing
  async #openShared(): Promise<Relay> {
    let began = performance.now(), quick = 0;
    const relay = this.#relay(false, () => {
      quick = performance.now() - began < STEADY ? quick + 1 : 0;
      const wait = quick < 2 ? 0 : Math.min(30_000, 250 * 2 ** (quick - 2));
      // It answers, and does not stay: that is no server to work with.
      if (quick >= 2 && !this.#dropped.has(relay)) this.#setState("failed");
      this.#revive(relay, wait, () => began = performance.now());
    });
    this.#attach(relay, () => this.#take());
    return relay;
  }

  // A shared server's clients stay: a new process is told what the old one had been told.
  #revive(relay: Relay, wait: number, began: () => void): void {
    clearTimeout(this.#reviveTimer);
    if (this.#state === "closed" || this.#dropped.has(relay)) return;
    this.#reviveNow = () => {
      clearTimeout(this.#reviveTimer);
      this.#reviveNow = undefined;
      try {
        began();
        this.#attach(relay, () => this.#take());
      } catch {
        this.#revive(relay, 0, began);
      }
    };
    this.#reviveTimer = setTimeout(
      this.#reviveNow,
      Math.max(wait, this.#backoff.wait),
    );
  }

  // ---- eras ----

  async #probe(onclosed: () => void): Promise<ModernUpstream | undefined> {
    const { spec } = this;
    const found = await probeEra((again) =>
      this.#probing(again ? () => {} : onclosed)
    );
    if (this.spec !== spec) {
      void found?.relay.close("was replaced");
      throw new Error(`${this.#called} was replaced`);
    }
    this.era = found ? "modern" : "legacy";
    return found;
  }

  #probing(onclosed: () => void): Relay {
    const relay = this.#relay(false, onclosed);
    this.#probes.add(relay);
    this.#attach(relay, () => this.#spawn(), true);
    return relay;
  }
}

function said(child: Child): string {
  return child.lastWords === "" ? "" : `; it said: ${child.lastWords}`;
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
