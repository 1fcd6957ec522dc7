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
import { answer, cancelled, Client, progressed } from "./client.ts";
import { deliverNotification, deliverRequest } from "./delivery.ts";
import { Memory } from "./memory.ts";
import { type Pending, PendingTable } from "./pending.ts";
import { Handshake } from "./handshake.ts";

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
/** How many requests of one relay may run at once. */
const MAX_PENDING = 16384;

const own: Exchange = { push() {}, respond() {}, refuse() {}, cancelled() {} };

/** Joins clients to one server. */
export class Relay implements UpstreamEvents {
  /** Requests that wait for a response. */
  readonly pending: PendingTable;
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
  #handshake: Handshake;

  /** Joined to an upstream by {@linkcode Relay.attach}. */
  constructor(options: RelayOptions) {
    this.options = options;
    this.pending = new PendingTable(
      options,
      (pending, limit) => this.#expired(pending, limit),
    );
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
      if (!pending.client || this.pending.isHeld(pending)) continue;
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
      notification: (frame) => {
        try {
          this.notification(client, frame);
        } catch (cause) {
          strange(this, cause);
        }
      },
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
    for (const pending of this.pending.all()) {
      if (!this.pending.isHeld(pending)) {
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
    return this.forward(client, frame, exchange);
  }

  /** Sends a client's request to the server. */
  forward(client: Client, frame: Frame, exchange: Exchange): number {
    const clientId = frame.id;
    if (this.#closed !== "") {
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
    const pending = this.pending.add(frame, exchange, client);
    const { id } = pending;
    client.running?.set(clientId, { relay: this, id });
    if (!this.#recovering || frame.method === "initialize") {
      this.#upstream?.send(pending.bytes, frame, id, exchange.headers);
    } else if (this.pending.held < MAX_HELD) this.pending.hold(pending);
    else {
      const text =
        `is being started again and ${MAX_HELD} requests wait already`;
      this.failed(id, this.#gone(text));
    }
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
    const unsent = this.pending.drop(pending);
    const bytes = frame
      ? put(frame.bytes, frame.requestIdAt, frame.requestIdEnd, `${id}`)
      : message.notification("notifications/cancelled", {
        requestId: id,
        reason: "the client has gone",
      });
    if (!unsent) this.#upstream?.cancel(id, bytes);
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
    for (const pending of this.pending.all()) {
      if (pending.client === client) this.cancel(pending.id, undefined);
    }
    for (const [id, ask] of [...client.asks]) {
      if (ask.relay !== this) continue;
      client.asks.delete(id);
      this.refuse(ask.id, "The client has gone");
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
    try {
      switch (frame.kind) {
        case "result":
        case "error":
          return this.#response(frame, about);
        case "request":
          return deliverRequest(this, frame, about);
        default:
          return deliverNotification(this, frame, about);
      }
    } catch (cause) {
      strange(this, cause);
    }
  }

  #response(frame: Frame, about: number): void {
    let id = frame.idAt < 0 ? NaN : Number(frame.id);
    // An error without a usable id can only be about the request on whose stream it came, or the only one there is.
    if (!this.pending.get(id) && frame.kind === "error" && !(id > 0)) {
      id = about || (this.pending.only ?? NaN);
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
    this.pending.drop(pending);
    if (pending.settle) {
      // Whoever waits reads it later, when the leg has gone on.
      return pending.settle(readFrame(frame.bytes.slice()));
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
    try {
      if (pending.frame.tasked) this.#ownTask(pending, frame);
      this.#handshake.response(pending, frame);
    } catch (cause) {
      strange(this, cause);
    }
    pending.exchange.respond(bytes, frame.errorCode);
  }

  /** Ends all subscriptions of modern clients in good order: they come back, and are served by another process. */
  endListens(): void {
    for (const pending of this.pending.all()) this.endListen(pending);
  }

  /** Ends a request in good order where it is a subscription of a modern client. */
  endListen(pending: Pending): void {
    if (pending.frame.method !== "subscriptions/listen") return;
    this.pending.drop(pending);
    const result = {
      resultType: "complete",
      _meta: { [META.subscriptionId]: 0 },
    };
    const { bytes, subscriptionAt: at, subscriptionEnd: end } = readFrame(
      message.resultResponse(pending.clientId, result),
    );
    pending.exchange.respond(put(bytes, at, end, pending.clientId), 0);
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
    this.pending.drop(pending);
    const bytes = message.errorResponse(pending.clientId, code, text, data);
    if (pending.settle) {
      return pending.settle(given === undefined ? text : readFrame(bytes));
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
    for (const pending of this.pending.all()) {
      this.failed(
        pending.id,
        `${
          this.#gone(reason)
        } while "${pending.frame.method}" was running; it may have run`,
      );
    }
    this.#forgetAsks();
    this.options.onclosed?.(reason);
  }

  /** Ends the relay: callers get an error, and the upstream leg is closed. */
  async close(reason: string): Promise<void> {
    const upstream = this.#upstream;
    this.closed(reason);
    this.pending.stop();
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
      const settle = (answer: Frame | string) => {
        if (typeof answer === "string") return reject(new Error(answer));
        if (answer.kind === "result") return resolve(answer);
        reject(new ServerError(answer.errorCode, errorText(answer)));
      };
      const pending = this.pending.add(frame, own, undefined, settle);
      this.#upstream?.send(pending.bytes, frame, pending.id, headers);
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
    const respond = (_: Bytes, code: number) => onend(code);
    const pending = this.pending.add(frame, { ...own, push: onpush, respond });
    this.#upstream?.send(pending.bytes, frame, pending.id);
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

  // Whoever asked is gone, and what comes after it may use the same ids.
  #forgetAsks(): void {
    for (const client of this.clients) {
      for (const [id, ask] of client.asks) {
        if (ask.relay === this) client.asks.delete(id);
      }
    }
  }

  #gone(reason: string): string {
    return `Server "${this.options.name}" ${reason}`;
  }

  #ownTask(pending: Pending, frame: Frame): void {
    if (!pending.client || frame.kind !== "result") return;
    const result = frame.value(frame.resultAt, frame.resultEnd) as {
      task?: { taskId?: unknown };
    };
    if (typeof result.task?.taskId !== "string") return;
    this.memory.ownTask(pending.client, result.task.taskId);
    if (pending.token === "") return;
    this.memory.ownTaskToken(pending.client, pending.id, pending.token);
  }

  async #recover(reason: string, undelivered: number[]): Promise<void> {
    for (const id of undelivered) {
      const pending = this.pending.get(id);
      if (!pending) continue;
      // The relay's own requests are part of a recovery, which must not wait for itself.
      if (!pending.client || pending.frame.method === "initialize") {
        this.failed(id, this.#gone(`is not there: ${reason}`));
      } else this.pending.hold(pending);
    }
    if (this.#recovering) return;
    this.#recovering = true;
    this.#forgetAsks();
    try {
      await this.#handshake.replay();
      this.#recovering = false;
      this.options.onrecovered?.();
      for (const pending of this.pending.release()) {
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
      for (const pending of this.pending.release()) {
        this.failed(pending.id, text);
      }
    }
    const renewal = this.#renewal;
    this.#renewal = undefined;
    if (renewal) await this.renew(renewal.open, renewal.patience);
  }

  #expired(pending: Pending, limit: number): void {
    const { id, frame: { method } } = pending;
    if (method !== "initialize") {
      const params = { requestId: id, reason: "timeout" };
      const bytes = message.notification("notifications/cancelled", params);
      this.#upstream?.cancel(id, bytes);
    }
    const late = this.#gone(`gave no answer to "${method}"`);
    this.failed(id, `${late} within ${limit / 1000} s`);
  }
}

// The scanner checks the grammar, but not what strings are made of: an escape that is none shows when one is read.
// Nor does it check what values are. One message that cannot be understood must not end the leg that it came from.
function strange(relay: Relay, cause: unknown): void {
  log.warn(
    `${relay.options.name}: a message cannot be understood: ${textOf(cause)}`,
  );
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
