/**
 * The corridor: joins clients to one server. Frames pass as they came; only what two sides would confuse is exchanged:
 * request ids, progress tokens, the ids in cancellations, subscription ids. Every request ends in exactly one response,
 * whatever dies.
 *
 * @module
 */
import { CODE, META } from "../mcp/eras.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { exchange as put, exchangeTwo as putTwo, raw } from "../mcp/splice.ts";
import * as message from "../mcp/message.ts";
import type {
  ClientLeg,
  Exchange,
  Receiver,
  UpstreamEvents,
  UpstreamLeg,
} from "../wire/leg.ts";
import { log } from "../log.ts";
import { findOwner } from "./attribution.ts";
import { Client } from "./client.ts";
import { Memory } from "./memory.ts";
import { Handshake } from "./handshake.ts";

/** A request that waits for the server's response. */
export interface Pending {
  /** Its id towards the server. */
  readonly id: number;
  /** Whose it is. `undefined` for the relay's own requests. */
  readonly client: Client | undefined;
  /** The way back. */
  readonly exchange: Exchange;
  /** The client's id, as JSON text. */
  readonly clientId: string;
  /** The client's progress token as JSON text, or `""`. */
  readonly token: string;
  /** What was asked. */
  readonly frame: Frame;
  /** What was sent, for sending it again where that is safe. */
  readonly bytes: Bytes;
  /** When it was sent, or last gave a sign of life, in ms of the monotonic clock. Only kept where there is a limit. */
  since: number;
}

/** How a relay is to behave. */
export interface RelayOptions {
  /** The server's name, for messages to people. */
  name: string;
  /** One client has the server for itself; else it is shared, and attribution decides who gets what. */
  exclusive: boolean;
  /** The client capabilities that a shared server is told of. */
  capabilities?: Record<string, unknown>;
  /** Longest time that a request may go without response or progress, in ms; 0 for no limit. */
  timeoutMs?: number;
  /** Longest time that `initialize` may take, in ms; 0 for no limit. */
  startTimeoutMs?: number;
  /** Takes the method of `list_changed` notifications. */
  onlistchanged?: (method: string) => void;
  /** Called when the server answers for the first time after a leg was attached. */
  onanswer?: () => void;
  /** Called when the server has been told again all that it had forgotten. */
  onrecovered?: () => void;
  /** Called once when the upstream leg is gone for good. */
  onclosed?: (reason: string) => void;
}

/** The error with which a server answered a request of the relay's own. */
export class ServerError extends Error {
  /** Its JSON-RPC code. */
  readonly code: number;

  /** Takes code and text. */
  constructor(code: number, message: string) {
    super(message);
    this.name = "ServerError";
    this.code = code;
  }
}

/** How many requests may wait while a session with the server is made anew. */
const MAX_HELD = 1024;
/** How many progress tokens of tasks are kept after their request's response. */
const MAX_TASK_TOKENS = 1024;
/** How many requests of one relay may run at once. */
const MAX_PENDING = 16384;

const own: Exchange = { push() {}, respond() {}, refuse() {}, cancelled() {} };

/** Joins clients to one server. */
export class Relay implements UpstreamEvents {
  /** Requests that wait for a response, by their id towards the server, oldest first. */
  readonly pending: Map<number, Pending> = new Map();
  /** The clients that are joined. */
  readonly clients: Set<Client> = new Set();
  /** What the server has been told. */
  readonly memory: Memory = new Memory();
  /** How it behaves. */
  readonly options: RelayOptions;
  /** Whether the server has answered anything since its leg was attached. */
  answered = false;

  #upstream: UpstreamLeg | undefined;
  #closed = "";
  #recovering = false;
  #renewal: { open: () => UpstreamLeg; patience: number } | undefined;
  #held: Pending[] = [];
  #next = 1;
  #taskTokens: Map<number, { client: Client; token: string }> = new Map();
  #settled: Map<number, (answer: Frame | string) => void> = new Map();
  #handshake: Handshake;
  #clock: ReturnType<typeof setInterval> | undefined;

  /** Joined to an upstream by {@linkcode Relay.attach}. */
  constructor(options: RelayOptions) {
    this.options = options;
    this.#handshake = new Handshake(this);
  }

  /** Joins the server's leg: the first one, or a new one after the last has closed, which is then told all anew. */
  attach(upstream: UpstreamLeg): void {
    const again = this.#closed !== "";
    this.#upstream = upstream;
    this.#closed = "";
    this.answered = false;
    if (again && this.memory.initialize) {
      this.#recover("it was started again", []);
    }
  }

  /** Whether requests of clients run. */
  get busy(): boolean {
    for (const pending of this.pending.values()) {
      if (!pending.client || this.#held.includes(pending)) continue;
      if (pending.frame.method !== "subscriptions/listen") return true;
    }
    return false;
  }

  /** Whether this is the server's leg. */
  has(upstream: UpstreamLeg): boolean {
    return this.#upstream === upstream;
  }

  /** Why the server is gone, or `""` while it is there. */
  get closedReason(): string {
    return this.#closed;
  }

  /** Joins a client. `session` is false for callers that share nothing between requests (modern HTTP). */
  join(leg: ClientLeg, session: boolean): Receiver & { client: Client } {
    const client = new Client(leg, session);
    this.admit(client);
    return {
      client,
      request: (frame, exchange) => {
        try {
          return this.request(client, frame, exchange);
        } catch (cause) {
          if (!(cause instanceof SyntaxError)) throw cause;
          const text = `Parse error: ${cause.message}`;
          exchange.refuse(message.errorResponse(frame.id, CODE.parse, text));
          return 0;
        }
      },
      notification: (frame) =>
        readable(this, () => this.notification(client, frame)),
      response: (frame) => answer(client, frame),
      abandon: (id) => this.cancel(id, undefined),
      leave: () => this.leave(client),
    };
  }

  /** Joins a client that may be joined to other servers too. */
  admit(client: Client): void {
    this.clients.add(client);
  }

  /**
   * Says hello to the server on behalf of a client that does not do so itself, once; resolves with the answer. `params`
   * are those of `initialize`.
   */
  hello(params: Record<string, unknown>, headers?: Headers): Promise<Frame> {
    return this.#handshake.begin(params, headers);
  }

  /**
   * Goes over to another leg as soon as nothing runs, or when `patience` ms are over; what comes meanwhile waits. The
   * new server is told all that the old one had been told.
   */
  async renew(open: () => UpstreamLeg, patience: number): Promise<void> {
    if (this.#closed !== "") return;
    if (this.#recovering) {
      // Whatever is being done, it may have begun with what is old by now.
      this.#renewal = { open, patience };
      return;
    }
    this.#recovering = true;
    const until = performance.now() + patience;
    while (this.busy && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#closed as string !== "") {
      // It is gone, and what comes after it is another one's business.
      this.#recovering = false;
      return;
    }
    const old = this.#upstream;
    for (const pending of [...this.pending.values()]) {
      if (!this.#held.includes(pending)) {
        this.failed(
          pending.id,
          this.#gone("was replaced and did not answer in time"),
        );
      }
    }
    this.#recovering = false;
    // Whatever was to be opened in the meantime, it is what is opened now.
    this.#renewal = undefined;
    try {
      this.#upstream = open();
      this.answered = false;
    } catch (cause) {
      this.closed(textOf(cause));
      return;
    } finally {
      void old?.close();
    }
    await this.#recover("it was replaced", []);
  }

  // ---- from the clients ----

  /** Takes a request of a client's; gives its id towards the server, 0 where it has been answered already. */
  request(client: Client, frame: Frame, exchange: Exchange): number {
    const clientId = frame.id;
    if (client.running?.has(clientId)) {
      const text =
        `Invalid request: id ${clientId} is in use by a request that still runs`;
      exchange.refuse(
        message.errorResponse(clientId, CODE.invalidRequest, text),
      );
      return 0;
    }
    if (this.#handshake.request(client, frame, exchange)) return 0;
    return this.forward(client, frame, frame.bytes, exchange);
  }

  /** Sends a client's request to the server. `bytes` has the spans of `frame`. */
  forward(
    client: Client,
    frame: Frame,
    bytes: Bytes,
    exchange: Exchange,
  ): number {
    const clientId = frame.id;
    if (this.#closed !== "" && !this.#recovering) {
      exchange.respond(
        message.errorResponse(
          clientId,
          CODE.internal,
          this.#gone(this.#closed),
        ),
        CODE.internal,
      );
      return 0;
    }
    if (this.pending.size >= MAX_PENDING) {
      const text =
        `Server "${this.options.name}" has ${MAX_PENDING} requests running: try again later`;
      exchange.respond(
        message.errorResponse(clientId, CODE.internal, text),
        CODE.internal,
      );
      return 0;
    }
    const id = this.#next++;
    let token = "";
    if (frame.tokenAt >= 0) {
      token = raw(bytes, frame.tokenAt, frame.tokenEnd);
      bytes = putTwo(
        bytes,
        frame.idAt,
        frame.idEnd,
        `${id}`,
        frame.tokenAt,
        frame.tokenEnd,
        `${id}`,
      );
    } else bytes = put(bytes, frame.idAt, frame.idEnd, `${id}`);
    const pending: Pending = {
      id,
      client,
      exchange,
      clientId,
      token,
      frame,
      bytes,
      since: 0,
    };
    client.running?.set(clientId, { relay: this, id });
    this.pending.set(id, pending);
    this.#watch(pending);
    if (!this.#recovering || frame.method === "initialize") {
      this.#upstream?.send(bytes, frame, id, exchange.headers);
    } else if (this.#held.length < MAX_HELD) this.#held.push(pending);
    else {this.failed(
        id,
        `Server "${this.options.name}" is being started again and ${MAX_HELD} requests wait already`,
      );}
    return id;
  }

  /** Takes a notification of a client's. */
  notification(client: Client, frame: Frame): void {
    switch (frame.method) {
      case "notifications/cancelled":
        return cancelled(client, frame);
      case "notifications/progress":
        return progressed(client, frame);
      default:
        if (this.#handshake.notification(frame)) return;
        this.tell(frame.bytes, frame);
    }
  }

  /** Takes a client's response to a request of this server's. */
  answer(client: Client, frame: Frame): void {
    const id = Number(frame.id), ask = client.asks.get(id);
    if (!ask) return;
    client.asks.delete(id);
    this.tell(put(frame.bytes, frame.idAt, frame.idEnd, ask.id), frame);
  }

  /** Cancels a request towards the server; `frame` is the client's own cancellation, if it sent one. */
  cancel(id: number, frame: Frame | undefined): void {
    const pending = this.pending.get(id);
    if (!pending || pending.frame.method === "initialize") return;
    this.#drop(pending);
    const bytes = frame
      ? put(frame.bytes, frame.requestIdAt, frame.requestIdEnd, `${id}`)
      : message.notification("notifications/cancelled", {
        requestId: id,
        reason: "the client has gone",
      });
    const held = this.#held.indexOf(pending);
    if (held >= 0) this.#held.splice(held, 1);
    else this.#upstream?.cancel(id, bytes);
    pending.exchange.cancelled(
      message.errorResponse(
        pending.clientId,
        CODE.internal,
        "Request cancelled by the client",
      ),
    );
  }

  /** A client has gone: what it runs is cancelled, what was asked of it fails, what it subscribed to is released. */
  leave(client: Client): void {
    if (!this.clients.delete(client)) return;
    for (const pending of [...this.pending.values()]) {
      if (pending.client === client) this.cancel(pending.id, undefined);
    }
    for (const [id, ask] of [...client.asks]) {
      if (ask.relay !== this) continue;
      client.asks.delete(id);
      this.refuse(ask.id, "The client has gone");
    }
    for (const [id, task] of this.#taskTokens) {
      if (task.client === client) this.#taskTokens.delete(id);
    }
    const released = this.memory.forget(client);
    if (this.options.exclusive || this.#closed !== "" || this.#recovering) {
      return;
    }
    for (const uri of released) {
      this.ask("resources/unsubscribe", { uri }).catch(() => {});
    }
  }

  // ---- from the server ----

  /** Takes a message of the server's. */
  receive(frame: Frame, about: number): void {
    readable(this, () => {
      switch (frame.kind) {
        case "result":
        case "error":
          return this.#response(frame, about);
        case "request":
          return this.#request(frame, about);
        default:
          return this.#notification(frame, about);
      }
    });
  }

  #response(frame: Frame, about: number): void {
    let id = frame.idAt < 0 ? NaN : Number(frame.id);
    // An error without a usable id can only be about the request on whose stream it came, or the only one there is.
    if (!this.pending.has(id) && frame.kind === "error" && !(id > 0)) {
      const [only] = this.pending.size === 1 ? this.pending.keys() : [];
      id = about || (only ?? NaN);
    }
    const pending = this.pending.get(id);
    if (!pending) {
      log.debug(
        `${this.options.name}: a response to a request that is not running`,
        { id: frame.id },
      );
      return;
    }
    if (!this.answered) {
      this.answered = true;
      this.options.onanswer?.();
    }
    this.#drop(pending);
    const settle = this.#settled.get(id);
    if (settle) {
      this.#settled.delete(id);
      // Whoever waits reads it later, when the leg has gone on.
      return settle(readFrame(frame.bytes.slice()));
    }
    let bytes: Bytes;
    if (frame.idAt < 0) {
      const text = raw(frame.bytes, 0, frame.bytes.length);
      const end = text.lastIndexOf("}");
      bytes = put(frame.bytes, end, end, `,"id":${pending.clientId}`);
    } else if (frame.subscriptionAt >= 0) {
      const at = frame.subscriptionAt, end = frame.subscriptionEnd;
      bytes = putTwo(
        frame.bytes,
        frame.idAt,
        frame.idEnd,
        pending.clientId,
        at,
        end,
        pending.clientId,
      );
    } else bytes = put(frame.bytes, frame.idAt, frame.idEnd, pending.clientId);
    // What is only noted must not keep the response from its caller.
    readable(this, () => {
      if (pending.frame.tasked) this.#ownTask(pending, frame);
      this.#handshake.response(pending, frame);
    });
    pending.exchange.respond(bytes, frame.errorCode);
  }

  #request(frame: Frame, about: number): void {
    const owner = findOwner(this, frame.method, about);
    if (!owner) {
      if (frame.method === "ping") {
        return this.tell(message.resultResponse(frame.id, {}), frame);
      }
      const text =
        `Cannot tell which client "${frame.method}" is for: ${this.#running()} clients have requests running`;
      return this.refuse(frame.id, text);
    }
    const { client, exchange } = owner;
    const token = frame.tokenAt < 0
      ? ""
      : raw(frame.bytes, frame.tokenAt, frame.tokenEnd);
    const id = client.ask({ relay: this, id: frame.id, token });
    if (id === 0) {
      return this.refuse(
        frame.id,
        "The client has too many unanswered requests",
      );
    }
    const bytes = token === ""
      ? put(frame.bytes, frame.idAt, frame.idEnd, `${id}`)
      : putTwo(
        frame.bytes,
        frame.idAt,
        frame.idEnd,
        `${id}`,
        frame.tokenAt,
        frame.tokenEnd,
        `${id}`,
      );
    if (exchange) exchange.push(bytes);
    else client.push(this, frame, bytes);
  }

  #notification(frame: Frame, about: number): void {
    const { method, bytes } = frame;
    if (method === "notifications/progress") {
      const id = Number(raw(bytes, frame.progressAt, frame.progressEnd));
      const pending = this.pending.get(id);
      if (pending) {
        pending.since = performance.now();
        if (pending.token !== "") {
          pending.exchange.push(
            put(bytes, frame.progressAt, frame.progressEnd, pending.token),
          );
        }
        return;
      }
      const task = this.#taskTokens.get(id);
      if (task) {
        task.client.push(
          this,
          frame,
          put(bytes, frame.progressAt, frame.progressEnd, task.token),
        );
      }
      return;
    }
    if (method === "notifications/cancelled") return this.#serverCancels(frame);
    if (frame.subscriptionAt >= 0) {
      const pending = this.pending.get(
        Number(raw(bytes, frame.subscriptionAt, frame.subscriptionEnd)),
      );
      pending?.exchange.push(
        put(
          bytes,
          frame.subscriptionAt,
          frame.subscriptionEnd,
          pending.clientId,
        ),
      );
      return;
    }
    if (method.endsWith("/list_changed")) {
      this.options.onlistchanged?.(method);
      for (const client of this.clients) {
        if (client.running) client.push(this, frame, bytes);
      }
      return;
    }
    if (
      method === "notifications/resources/updated" && !this.options.exclusive
    ) {
      for (
        const client of this.memory.subscribers(
          frame.string(frame.uriAt, frame.uriEnd),
        )
      ) client.push(this, frame, bytes);
      return;
    }
    if (
      method === "notifications/tasks/status" ||
      method === "notifications/resources/updated"
    ) {
      const owner = this.options.exclusive
        ? this.clients.values().next().value
        : this.memory.taskOwner(frame.string(frame.taskIdAt, frame.taskIdEnd));
      owner?.push(this, frame, bytes);
      return;
    }
    const owner = findOwner(this, method, about, frame);
    if (!owner) {
      return log.debug(`${this.options.name}: nobody to give ${method} to`);
    }
    if (owner.exchange) owner.exchange.push(bytes);
    else owner.client.push(this, frame, bytes);
  }

  #serverCancels(frame: Frame): void {
    const serverId = raw(frame.bytes, frame.requestIdAt, frame.requestIdEnd);
    for (const client of this.clients) {
      for (const [id, ask] of client.asks) {
        if (ask.relay !== this || ask.id !== serverId) continue;
        client.asks.delete(id);
        client.push(
          this,
          frame,
          put(frame.bytes, frame.requestIdAt, frame.requestIdEnd, `${id}`),
        );
        return;
      }
    }
    // A modern server has no requests of its own: on stdio it ends a subscription in this way.
    const pending = this.pending.get(Number(serverId));
    if (pending) this.#endListen(pending);
  }

  /** Ends all subscriptions of modern clients in good order: they come back, and are served by another process. */
  endListens(): void {
    for (const pending of [...this.pending.values()]) this.#endListen(pending);
  }

  #endListen(pending: Pending): void {
    if (pending.frame.method !== "subscriptions/listen") return;
    this.#drop(pending);
    const result = {
      resultType: "complete",
      _meta: { [META.subscriptionId]: JSON.parse(pending.clientId) },
    };
    pending.exchange.respond(
      message.resultResponse(pending.clientId, result),
      0,
    );
  }

  /** A request has failed on its way: its caller gets the error. */
  failed(
    id: number,
    text: string,
    given?: number,
    data?: unknown,
  ): void {
    const pending = this.pending.get(id), code = given ?? CODE.internal;
    if (!pending) return;
    const held = this.#held.indexOf(pending);
    if (held >= 0) this.#held.splice(held, 1);
    this.#drop(pending);
    const bytes = message.errorResponse(pending.clientId, code, text, data);
    const settle = this.#settled.get(id);
    if (settle) {
      this.#settled.delete(id);
      return settle(given === undefined ? text : readFrame(bytes));
    }
    pending.exchange.respond(bytes, code);
  }

  /** The server has forgotten the session: it is made anew, and what it has surely not run is sent again. */
  lost(reason: string, undelivered: number[]): void {
    log.info(`${this.options.name}: the session is lost (${reason})`);
    this.#recover(reason, undelivered);
  }

  /** The server is gone for good: whoever waits for it gets an error. */
  closed(reason: string): void {
    if (this.#closed !== "") return;
    this.#closed = reason;
    this.#upstream = undefined;
    this.#held = [];
    for (const pending of [...this.pending.values()]) {
      this.failed(
        pending.id,
        `${
          this.#gone(reason)
        } while "${pending.frame.method}" was running; it may have run`,
      );
    }
    for (const client of this.clients) {
      for (const [id, ask] of client.asks) {
        if (ask.relay === this) client.asks.delete(id);
      }
    }
    this.options.onclosed?.(reason);
  }

  /** Ends the relay: callers get an error, and the upstream leg is closed. */
  async close(reason: string): Promise<void> {
    const upstream = this.#upstream;
    this.closed(reason);
    clearInterval(this.#clock);
    await upstream?.close();
  }

  // ---- its own requests, and what all of them share ----

  /** Sends a request of the relay's own; resolves with the response, or rejects with the error's text. */
  ask(method: string, params: unknown, headers?: Headers): Promise<Frame> {
    const frame = readFrame(message.request(0, method, params));
    return this.send(frame, headers);
  }

  /**
   * Sends a frame as a request of the relay's own, under an id of its own; `headers` are those of a client in whose name
   * it is sent.
   */
  send(frame: Frame, headers?: Headers): Promise<Frame> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== "") {
        return reject(new Error(this.#gone(this.#closed)));
      }
      const id = this.#next++;
      const bytes = put(frame.bytes, frame.idAt, frame.idEnd, `${id}`);
      const pending = {
        id,
        client: undefined,
        exchange: own,
        clientId: `${id}`,
        token: "",
        frame,
        bytes,
        since: 0,
      };
      this.pending.set(id, pending);
      this.#watch(pending);
      this.#settled.set(id, (answer) => {
        if (typeof answer === "string") return reject(new Error(answer));
        if (answer.kind === "result") return resolve(answer);
        reject(new ServerError(answer.errorCode, errorText(answer)));
      });
      this.#upstream?.send(bytes, frame, id, headers);
    });
  }

  /**
   * Sends a request of the relay's own that stays open; `onpush` is given what comes before its response, and `onend` is
   * called with its error code, 0 for a result, when that has come.
   */
  listen(
    frame: Frame,
    onpush: (bytes: Bytes) => void,
    onend: (errorCode: number) => void,
  ): void {
    const id = this.#next++;
    const bytes = put(frame.bytes, frame.idAt, frame.idEnd, `${id}`);
    this.pending.set(id, {
      id,
      client: undefined,
      exchange: {
        ...own,
        push: onpush,
        respond: (_, code) => onend(code),
      },
      clientId: `${id}`,
      token: "",
      frame,
      bytes,
      since: 0,
    });
    this.#upstream?.send(bytes, frame, id);
  }

  /** Sends a notification of the relay's own. */
  notify(method: string, params?: unknown): void {
    const bytes = message.notification(method, params);
    this.tell(bytes, readFrame(bytes));
  }

  /** Answers a request of the server's with an error. */
  refuse(serverId: string, text: string): void {
    const bytes = message.errorResponse(serverId, CODE.internal, text);
    this.tell(bytes, readFrame(bytes));
  }

  /** Sends a notification or a response to the server. */
  tell(bytes: Bytes, frame: Frame): void {
    this.#upstream?.send(bytes, frame, 0);
  }

  #drop(pending: Pending): void {
    this.pending.delete(pending.id);
    pending.client?.running?.delete(pending.clientId);
  }

  #gone(reason: string): string {
    return `Server "${this.options.name}" ${reason}`;
  }

  #running(): number {
    return new Set([...this.pending.values()].map((pending) => pending.client))
      .size;
  }

  #ownTask(pending: Pending, frame: Frame): void {
    if (!pending.client || frame.kind !== "result") return;
    const result = frame.value(frame.resultAt, frame.resultEnd) as {
      task?: { taskId?: unknown };
    };
    if (typeof result.task?.taskId !== "string") return;
    this.memory.ownTask(pending.client, result.task.taskId);
    if (pending.token === "" || this.#taskTokens.size >= MAX_TASK_TOKENS) {
      return;
    }
    this.#taskTokens.set(pending.id, {
      client: pending.client,
      token: pending.token,
    });
  }

  async #recover(reason: string, undelivered: number[]): Promise<void> {
    for (const id of undelivered) {
      const pending = this.pending.get(id);
      if (!pending) continue;
      // The relay's own requests are part of a recovery, which must not wait for itself.
      if (!pending.client || pending.frame.method === "initialize") {
        this.failed(id, this.#gone(`is not there: ${reason}`));
      } else this.#held.push(pending);
    }
    if (this.#recovering) return;
    this.#recovering = true;
    try {
      await this.#handshake.replay();
      this.#recovering = false;
      this.options.onrecovered?.();
      for (const pending of this.#held.splice(0)) {
        const { bytes, frame, id, exchange } = pending;
        this.#upstream?.send(bytes, frame, id, exchange.headers);
      }
    } catch (cause) {
      this.#recovering = false;
      const text =
        `Server "${this.options.name}" lost the session (${reason}), and a new one failed: ${
          textOf(cause)
        }`;
      log.warn(text);
      for (const pending of this.#held.splice(0)) this.failed(pending.id, text);
    }
    const renewal = this.#renewal;
    this.#renewal = undefined;
    if (renewal) await this.renew(renewal.open, renewal.patience);
  }

  #watch(pending: Pending): void {
    const { timeoutMs = 0, startTimeoutMs = 0 } = this.options;
    if (
      timeoutMs === 0 &&
      (startTimeoutMs === 0 || pending.frame.method !== "initialize")
    ) return;
    pending.since = performance.now();
    const least = Math.min(
      ...[timeoutMs, startTimeoutMs].filter((limit) => limit > 0),
    );
    this.#clock ??= setInterval(
      () => this.#expire(),
      Math.min(1000, Math.max(10, least / 10)),
    );
  }

  #expire(): void {
    const { timeoutMs = 0, startTimeoutMs = 0 } = this.options,
      now = performance.now();
    for (const pending of [...this.pending.values()]) {
      const starting = pending.frame.method === "initialize";
      const limit = starting && startTimeoutMs > 0 ? startTimeoutMs : timeoutMs;
      if (
        limit === 0 || pending.since === 0 ||
        pending.frame.method === "subscriptions/listen"
      ) continue;
      if (now - pending.since < limit) continue;
      const { method } = pending.frame;
      const bytes = message.notification("notifications/cancelled", {
        requestId: pending.id,
        reason: "timeout",
      });
      if (!starting) this.#upstream?.cancel(pending.id, bytes);
      this.failed(
        pending.id,
        `${this.#gone(`gave no answer to "${method}"`)} within ${
          limit / 1000
        } s`,
      );
    }
    if (this.pending.size > 0) return;
    clearInterval(this.#clock);
    this.#clock = undefined;
  }
}

/** Takes a client's cancellation of a request that runs at some server. */
export function cancelled(client: Client, frame: Frame): void {
  const running = client.running?.get(
    raw(frame.bytes, frame.requestIdAt, frame.requestIdEnd),
  );
  running?.relay.cancel(running.id, frame);
}

/** Takes a client's word on how far it is with a request of some server's. */
export function progressed(client: Client, frame: Frame): void {
  const ask = client.asked(
    raw(frame.bytes, frame.progressAt, frame.progressEnd),
  );
  if (!ask || ask.token === "") return;
  ask.relay.tell(
    put(frame.bytes, frame.progressAt, frame.progressEnd, ask.token),
    frame,
  );
}

/** Takes a client's response to a request of some server's. */
export function answer(client: Client, frame: Frame): void {
  const ask = client.asked(frame.id);
  if (ask) ask.relay.answer(client, frame);
  else log.debug("A client answered a request that nobody made");
}

// The scanner checks the grammar, but not what strings are made of: an escape that is none shows when one is read.
// Nor does it check what values are. One message that cannot be understood must not end the leg that it came from.
function readable(relay: Relay, action: () => void): void {
  try {
    action();
  } catch (cause) {
    log.warn(
      `${relay.options.name}: a message cannot be understood: ${textOf(cause)}`,
    );
  }
}

function errorText(answer: Frame): string {
  try {
    const { error } = answer.value(0, answer.bytes.length) as {
      error?: { message?: string } | null;
    };
    return error?.message ?? "the server answered with an error";
  } catch {
    return "the server answered with an error that is no JSON";
  }
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
