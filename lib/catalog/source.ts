import { type Era, LATEST_LEGACY } from "../mcp/eras.ts";
import { type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import { log } from "../log.ts";
import { ServerError } from "../relay/relay.ts";
import type { ModernUpstream } from "../upstream/probe.ts";
import type { Server } from "../upstream/server.ts";
import { version } from "../version.ts";
import { pause } from "../wire/pause.ts";
import { by, GRACE } from "./list_cache.ts";
import { KINDS, type ListKind, LISTS, NONE } from "./lists.ts";
import { Offerings } from "./offerings.ts";

import { type Profile, profileOf } from "./profile.ts";
import { textOf } from "./rewrite.ts";

/** What the user wants of a server in the catalog. */
export interface SourceOptions {
  /** The tokens that open it; none for everybody. */
  authTokens: readonly string[];
  /** Whether only its route leads to it: its name is a secret, and callers without a token are not told of it. */
  unlisted: boolean;
  /** Whether its names are put behind its own. */
  prefix: boolean;
  /** Which of its tools there are. */
  allows: (tool: string) => boolean;
  /** Headers of clients, in lower case, that go on to it. */
  forwardHeaders: readonly string[];
}

/** How long a server may take to answer a ping, in ms. */
const PING_TIMEOUT = 5000;
/** Shortest wait between two tries, in ms. */
const LEAST_PAUSE = 500;
/** Longest wait before a server that crashes all the time is started again, in ms. */
const LONGEST_PAUSE = 30_000;
/** A process that lives for fewer ms than this has crashed quickly. */
const STEADY = 10_000;
/** Longest wait before a remote server is asked again, in ms: it costs but a request. */
const MOST_PAUSE = 5000;

/** One server of a catalog: comes up by itself, says what it offers, and keeps that at hand. */
export class Source {
  /** The server. */
  readonly server: Server;
  /** What the user wants of it. */
  options: SourceOptions;
  /** What it said to `initialize`; `undefined` until it did, and where it speaks only modern versions. */
  legacy: Profile | undefined;
  /** It as modern clients see it; `undefined` until one of them came. */
  modern: ModernUpstream | undefined;
  /** Settles when it has come up for the first time, or failed to. */
  readonly first: Promise<boolean>;
  /** What it offers. */
  readonly offerings: Offerings = new Offerings(this);
  /** Called when one of its lists may have changed. */
  onchange: (kind: ListKind) => void = () => {};
  /** Called when it has come up, or come back with other tools. */
  onup: (tools: readonly string[], ms: number) => void = () => {};

  #began = performance.now();
  #ended = new AbortController();
  #settle!: (up: boolean) => void; // set by the promise in the constructor
  #bringing: Promise<void> | undefined;
  #again: AbortController | undefined;
  #checking = false;
  #asking: { promise: Promise<unknown>; began: number } | undefined;
  #leftOut: Set<Era> = new Set();
  #announced: string | undefined;
  #reopening = false;
  #opened = 0;
  #quick = 0;

  /** Takes the server, which must report its changes to {@linkcode changed}, {@linkcode recovered}, {@linkcode check}. */
  constructor(server: Server, options: SourceOptions) {
    this.server = server;
    this.options = options;
    this.first = new Promise((resolve) => this.#settle = resolve);
  }

  /** The server's name. */
  get name(): string {
    return this.server.spec.name;
  }

  /** The names of its tools that clients may see, as far as they are known. */
  get toolNames(): string[] {
    return this.offerings.known("tools").items.map(({ name }) => name)
      .filter(this.options.allows);
  }

  /** Whether it is there for legacy clients. */
  get up(): boolean {
    if (this.personal) return true;
    return this.legacy !== undefined && this.server.state !== "failed";
  }

  /** Whether it is there for modern clients, as far as is known. */
  get open(): boolean {
    return this.modern?.relay.closedReason === "";
  }

  /** Whether it sees who asks, so that nothing can be asked but in a client's name. */
  get personal(): boolean {
    return this.options.forwardHeaders.length > 0 &&
      this.server.spec.kind === "remote";
  }

  /** Takes what it said to a client's `initialize`, where it would not say it to us. */
  learn(answer: Frame): void {
    this.legacy ??= profileOf(
      answer.value(answer.resultAt, answer.resultEnd) as Record<
        string,
        unknown
      >,
    );
  }

  /** What it is known to speak. */
  get era(): Era | "both" | undefined {
    if (!this.modern) return this.server.era;
    return this.legacy ? "both" : "modern";
  }

  /** Whether a caller with this token may use it. */
  opensTo(principal: string): boolean {
    return opens(this.options, principal);
  }

  /** Resolves when it has come up or failed to, or when it had its time for that. */
  async settled(): Promise<void> {
    await by(this.first, this.#began + GRACE);
  }

  /** A client of this era does not see it, which is told once. */
  leaveOut(era: Era): void {
    if (this.#leftOut.has(era)) return;
    this.#leftOut.add(era);
    const spoken = era === "modern"
      ? "versions with initialize"
      : "versions without initialize";
    log.info(
      `<${this.name}> is left out for ${era} clients: it speaks only ${spoken}`,
    );
  }

  // ---- its life ----

  /** Brings it up, and tries again until it is up or {@linkcode close} is called. */
  start(): Promise<void> {
    return this.#bringing ??= this.#bringUp();
  }

  /** Stops trying. */
  close(): void {
    this.#ended.abort();
    this.#again?.abort();
    this.#settle(false);
  }

  /** The server says that a list has changed; `method` is its notification's. */
  changed(method: string): void {
    for (const kind of KINDS) {
      if (LISTS[kind].changed !== method) continue;
      this.offerings.forget(kind);
      this.onchange(kind);
    }
  }

  /** The server was started again, perhaps as another one: what it offers may be something else now. */
  recovered(): void {
    this.#leftOut.clear();
    this.offerings.forget();
    this.#again?.abort();
    void this.start();
  }

  /** The server is to be another one: what modern clients use is looked for anew. */
  replaced(): void {
    this.modern = undefined;
  }

  /** Its server's state has changed. */
  stirred(): void {
    for (const kind of KINDS) this.onchange(kind);
    if (this.server.state === "failed" && !this.#reopening) void this.start();
  }

  /** A request did not get through: looks whether anything does. */
  async check(): Promise<void> {
    if (this.#checking || this.#bringing || this.#ended.signal.aborted) return;
    this.#checking = true;
    try {
      await this.#ping();
    } catch (cause) {
      if (!(cause instanceof ServerError)) {
        log.warn(`<${this.name}> is not there any more: ${textOf(cause)}`);
        this.server.fault(textOf(cause));
      }
    } finally {
      this.#checking = false;
    }
  }

  async #bringUp(): Promise<void> {
    let began = performance.now(), told = "", silent = 0, failures = 0;
    const { signal } = this.#ended;
    while (!signal.aborted) {
      const again = this.#again = new AbortController();
      const known = this.legacy ?? this.modern;
      try {
        await this.#greet();
        if (known && this.server.state === "failed") await this.#ping();
        await this.#announce(began);
        if (!await this.#stays()) throw new Error(this.server.lastError);
        this.server.works();
        this.#settle(true);
        for (const kind of KINDS) this.onchange(kind);
        if (!again.signal.aborted) break;
        began = performance.now();
      } catch (cause) {
        if (signal.aborted) break;
        const why = textOf(cause), { server } = this;
        if (this.personal) {
          log.info(`<${this.name}> waits for a client to ask for it: ${why}`);
          this.#settle(true);
          break;
        }
        // The end of a process has been told already.
        if (server.state !== "failed" && why !== told) {
          log.warn(`<${this.name}> Failed to start: ${why}`);
        }
        told = why;
        // A process that says nothing may only be slow, but not for ever.
        const remote = server.spec.kind === "remote";
        if (server.state !== "failed") {
          server.fault(why);
          if (!remote && ++silent % 2 === 0) await server.restartShared();
        } else if (remote) server.fault(why);
        this.#settle(false);
        const most = remote ? MOST_PAUSE : LONGEST_PAUSE;
        const wait = Math.min(most, LEAST_PAUSE * 2 ** failures++);
        await pause(Math.max(wait, remote ? 0 : server.wait), again.signal);
      }
    }
    this.#bringing = undefined;
  }

  async #greet(): Promise<void> {
    try {
      const relay = await this.server.openShared();
      const answer = await relay.hello({
        protocolVersion: LATEST_LEGACY,
        capabilities: relay.options.capabilities ?? {},
        clientInfo: { name: "mcp-proxy", version },
      });
      this.legacy = profileOf(
        answer.value(answer.resultAt, answer.resultEnd) as Record<
          string,
          unknown
        >,
      );
    } catch (cause) {
      if (!(cause instanceof ServerError)) throw cause;
      // It answered, so it is there; perhaps it speaks the other era.
      if (!await this.openModern()) throw cause;
      this.legacy = undefined;
      await this.server.closeShared();
    }
  }

  // It may have ended in the meantime.
  async #stays(): Promise<boolean> {
    if (!this.legacy) return this.open;
    return (await this.server.openShared()).closedReason === "";
  }

  // A server that answers with an error is there.
  async #ping(): Promise<void> {
    const { legacy, modern } = this;
    let asked: Promise<unknown>;
    if (legacy) asked = (await this.server.openShared()).ask("ping", {});
    else if (modern) {
      asked = modern.relay.ask("server/discover", { _meta: modern.envelope });
    } else return;
    const answer = await by(
      asked.then(() => true, (cause) => {
        if (cause instanceof ServerError) return true;
        throw cause;
      }),
      performance.now() + PING_TIMEOUT,
    );
    if (!answer) throw new Error(`Server "${this.name}" does not answer`);
  }

  async #announce(began: number): Promise<void> {
    const asked = this.legacy
      ? this.offerings.list("tools")
      : this.offerings.modernList("tools", {});
    const tools = await asked.catch((cause) => {
      log.warn(`<${this.name}> Failed to list its tools: ${textOf(cause)}`);
      return NONE;
    });
    const names = tools.items.map(({ name }) => name).join("\n");
    if (names === this.#announced) return;
    this.#announced = names;
    this.onup(
      tools.items.map(({ name }) => name),
      Math.round(performance.now() - began),
    );
  }

  // ---- what it offers ----

  /** The modern server; `undefined` where it speaks only legacy versions. Rejects with an error for people. */
  async openModern(): Promise<ModernUpstream | undefined> {
    const modern = await this.server.modern();
    if (!modern) this.leaveOut("modern");
    if (modern === this.modern || !modern) return modern;
    const again = this.modern !== undefined;
    this.modern = modern;
    this.#opened = performance.now();
    this.#listen(modern);
    if (again) {
      this.offerings.forget();
      for (const kind of KINDS) this.onchange(kind);
    }
    return modern;
  }

  /** The modern server, as far as it is there in time. */
  async present(): Promise<ModernUpstream | undefined> {
    if (this.open) return this.modern;
    if (this.server.era === "legacy") {
      this.leaveOut("modern");
      return undefined;
    }
    const asking = this.#asking ??= {
      began: performance.now(),
      promise: this.openModern().catch(() => {}).finally(() =>
        this.#asking = undefined
      ),
    };
    await by(asking.promise, asking.began + GRACE);
    return this.server.state === "failed" ? undefined : this.modern;
  }

  // Hears of changes in a modern server, which tells only those who ask; when it is gone, it is started again.
  #listen(modern: ModernUpstream): void {
    const notifications = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
    };
    const frame = readFrame(
      message.request(0, "subscriptions/listen", {
        notifications,
        _meta: modern.envelope,
      }),
    );
    const changed = (method: string) => {
      if (method.endsWith("/list_changed")) this.changed(method);
    };
    modern.relay.listen(
      frame,
      (bytes) => changed(readFrame(bytes).method),
      (code) => void this.#reopen(modern, code),
    );
  }

  async #reopen(modern: ModernUpstream, errorCode: number): Promise<void> {
    const { signal } = this.#ended;
    // It is there, and does not want to be listened to.
    if (errorCode !== 0 && modern.relay.closedReason === "") return;
    if (signal.aborted || this.modern !== modern) return;
    this.#quick = performance.now() - this.#opened < STEADY
      ? this.#quick + 1
      : 0;
    const wait = Math.min(LONGEST_PAUSE, LEAST_PAUSE * 2 ** this.#quick);
    this.#reopening = true;
    if (this.#quick > 1 && !this.legacy) {
      this.server.fault(this.server.lastError);
    }
    await pause(Math.max(wait, this.server.wait), signal);
    this.#reopening = false;
    while (!signal.aborted && this.modern === modern) {
      if (modern.relay.closedReason === "") return this.#listen(modern);
      await this.openModern().catch(() => {});
      if (this.modern !== modern) return;
      await pause(Math.max(LEAST_PAUSE, this.server.wait), signal);
    }
  }
}

/** Whether a server with these tokens may be used by a caller with this one. */
export function opens(
  { authTokens, unlisted }: Pick<SourceOptions, "authTokens" | "unlisted">,
  principal: string,
): boolean {
  if (authTokens.length > 0) return authTokens.includes(principal);
  return !unlisted || principal !== "";
}
