/**
 * A remote server over Streamable HTTP, in both eras: a request with an envelope is sent for itself, with the headers that
 * mirror its body (2026-07-28); one without belongs to a session (2025-11-25 and before).
 *
 * @module
 */
import { log } from "../log.ts";
import { CODE } from "../mcp/eras.ts";
import { type Bytes, type Frame, FrameError, readFrame } from "../mcp/frame.ts";
import { isBatch, readBatch } from "../mcp/parts.ts";
import { oneLine } from "../mcp/splice.ts";
import { EventReader } from "./event_source.ts";
import { resume, ServerStream } from "./http_stream.ts";
import { ModernHeaders, POST } from "./modern_headers.ts";
import type { Reply } from "./http1.ts";
import type { UpstreamEvents, UpstreamLeg } from "./leg.ts";
import { Outbox } from "./outbox.ts";
import { backOff, pause } from "./pause.ts";
import {
  discard,
  MAX_ANSWER,
  mediaType,
  readBody,
  type Target,
  TargetError,
} from "./target.ts";

/** A request whose response is not there yet. */
interface Running {
  readonly id: number;
  readonly frame: Frame;
  readonly bytes: Bytes;
  /** The headers of the client's own request, and what of them goes on. */
  readonly headers: Headers | undefined;
  readonly forwarded: Record<string, string> | undefined;
  readonly stop: AbortController;
  /** The session in which it was sent: its number here, and whether it has an id. */
  epoch: number;
  inSession: boolean;
  /** Nothing more is reported about it: its response was, or its failure, or nobody wants either. */
  done: boolean;
  /** It was sent again after the connection broke. */
  again: boolean;
}

/** How long a server that was there before may be away, in ms, before requests to it fail. */
const MAX_AWAY = 4000;
/** How long ending the session may take, in ms. */
const MAX_GOODBYE = 2000;
/** How long a stream may stay open after its response, in ms. */
const MAX_LINGER = 5000;

/** Methods that change nothing when they are run twice. */
const HARMLESS = new Set([
  "initialize",
  "server/discover",
  "ping",
  "tools/list",
  "prompts/list",
  "prompts/get",
  "resources/list",
  "resources/templates/list",
  "resources/read",
  "resources/subscribe",
  "resources/unsubscribe",
  "logging/setLevel",
  "completion/complete",
  "tasks/get",
  "tasks/list",
]);

/** Whether a method may be sent again though it may have been run. */
export function isHarmless(method: string): boolean {
  return HARMLESS.has(method);
}

// Servers answer 404 for a session that they do not know; some that follow an old example of the SDK answer 400.
function isForgotten(status: number, error: TargetError): boolean {
  return status === 404 ||
    (status === 400 && error.code !== undefined &&
      /session/i.test(error.message));
}

/** A remote server over Streamable HTTP. */
export class HttpClient implements UpstreamLeg {
  /** Called where the URL speaks no Streamable HTTP, before the request fails; the status tells. */
  onunsuitable: (id: number, status: number) => void = () => {};
  readonly #target: Target;
  readonly #events: UpstreamEvents;
  readonly #running: Map<number, Running> = new Map();
  readonly #tasks: Set<Promise<void>> = new Set();
  readonly #outbox = new Outbox();
  readonly #modern: ModernHeaders;
  /** Requests that were sent again in a new session: once is enough. */
  readonly #resent: Set<number> = new Set();
  #legacy: Record<string, string> = POST;
  #session = "";
  #epoch = 0;
  #established = false;
  #forgot = "";
  #stream: ServerStream | undefined;
  #closing: Promise<void> | undefined;

  /** Takes the URL, and who is told what comes. Connects with the first message. */
  constructor(target: Target, events: UpstreamEvents) {
    this.#target = target;
    this.#events = events;
    this.#modern = new ModernHeaders(target);
  }

  /** Sends a message; see {@linkcode UpstreamLeg.send}. */
  send(bytes: Bytes, frame: Frame, id: number, headers?: Headers): void {
    if (this.#closing) {
      if (id !== 0) {
        this.#events.failed(
          id,
          `The connection to ${this.#target.shown} is closed`,
        );
      }
      return;
    }
    if (id === 0) return this.#tell(bytes, frame);
    const modern = frame.versionAt >= 0;
    if (!modern && frame.method === "initialize") this.#begin();
    else if (!modern && this.#forgot !== "") {
      return this.#events.lost(this.#forgot, [id]);
    }
    const running: Running = {
      id,
      frame,
      bytes,
      headers,
      forwarded: this.#target.forwarded(headers, !modern),
      stop: new AbortController(),
      epoch: 0,
      inSession: false,
      done: false,
      again: false,
    };
    this.#running.set(id, running);
    this.#track(this.#run(running));
  }

  /** Cancels a request; see {@linkcode UpstreamLeg.cancel}. */
  cancel(id: number, bytes: Bytes): void {
    const running = this.#running.get(id);
    if (!running) return;
    running.done = true;
    // In the modern era the end of the stream is the cancellation; before, it means nothing, and a message has to say it.
    if (running.frame.versionAt >= 0) return running.stop.abort();
    const told = this.#deliver(
      bytes,
      "notifications/cancelled",
      this.#legacy,
      running.stop.signal,
    );
    this.#track(told.finally(() => running.stop.abort()));
  }

  /** Ends the session and all connections; see {@linkcode UpstreamLeg.close}. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  // ---- requests ----

  async #run(running: Running): Promise<void> {
    const { id, frame, stop: { signal } } = running;
    try {
      if (this.#outbox.gate) await this.#outbox.gate;
      running.epoch = this.#epoch;
      running.inSession = this.#session !== "";
      const plain = frame.versionAt >= 0
        ? await this.#modern.of(frame, signal)
        : this.#legacy;
      const headers = running.forwarded
        ? { ...plain, ...running.forwarded }
        : plain;
      const response = await this.#reach(running, headers);
      const { status } = response;
      if (status !== 200) await this.#other(running, response);
      else if (frame.method === "initialize") {
        this.#session = response.headers.get("mcp-session-id") ?? "";
        await this.#answer(running, response);
      } else await this.#answer(running, response);
      if (!running.done) {
        throw new TargetError(
          "broken",
          `${this.#target.shown} ended its answer without a response`,
        );
      }
    } catch (cause) {
      if (!signal.aborted && !running.done) this.#broken(running, cause);
    } finally {
      if (this.#running.get(id) === running) this.#running.delete(id);
    }
  }

  async #answer(running: Running, response: Reply): Promise<void> {
    const type = mediaType(response);
    if (type === "application/json") {
      return this.#json(running, await readBody(response, MAX_ANSWER));
    }
    if (type === "text/event-stream") {
      return await this.#follow(running, response);
    }
    const text = `${this.#target.shown} answered with ${
      type || "no content type"
    }, not with JSON-RPC`;
    await discard(response);
    this.#unsuitable(running, response.status);
    throw new TargetError(
      "refused",
      `${text}; is this the URL of an MCP server?`,
    );
  }

  #json(running: Running, bytes: Bytes): void {
    if (!isBatch(bytes)) return this.#take(running, bytes);
    for (const part of readBatch(bytes)) this.#take(running, part);
  }

  async #follow(running: Running, response: Reply): Promise<void> {
    const { signal } = running.stop, { body } = response;
    const ondata = (data: Bytes) => {
      try {
        this.#json(running, data);
      } catch (cause) {
        if (!(cause instanceof FrameError)) throw cause;
        log.warn(`${this.#target.shown} sent an event that is no message`, {
          cause,
        });
      }
    };
    const events = new EventReader(MAX_ANSWER, ondata);
    let late: ReturnType<typeof setTimeout> | undefined;
    try {
      if (body) {
        for await (const chunk of body) {
          events.push(chunk);
          // Servers end the stream after the response; one that does not must not hold the connection for ever.
          if (running.done) {
            late ??= setTimeout(() => running.stop.abort(), MAX_LINGER);
          }
        }
      }
    } catch (cause) {
      if (running.done || signal.aborted) return;
      if (events.lastEventId === "") throw cause;
    } finally {
      clearTimeout(late);
    }
    if (
      running.done || events.lastEventId === "" || running.frame.versionAt >= 0
    ) return;
    const refused = await resume(
      this.#target,
      this.#legacy,
      events,
      ondata,
      () => running.done,
      signal,
    );
    if (!refused) return;
    const error = await this.#target.refusal(refused);
    if (refused.status === 404) this.#lose(error.message, [], running.epoch);
    throw new TargetError(
      "broken",
      `its stream broke off and could not be taken up again: ${error.message}`,
    );
  }

  /** A message on a request's own stream. */
  #take(running: Running, bytes: Bytes): void {
    let frame = readFrame(oneLine(bytes));
    if (
      frame.methodAt < 0 &&
      (frame.id === `${running.id}` ||
        (frame.kind === "error" && !(Number(frame.id) > 0)))
    ) {
      if (running.done) return;
      running.done = true;
      this.#resent.delete(running.id);
      const { method, versionAt } = running.frame;
      if (versionAt >= 0) {
        if (method === "tools/list" && frame.kind === "result") {
          ({ frame } = this.#modern.tools.learn(frame));
        }
      } else if (method === "initialize" && frame.kind === "result") {
        this.#establish(running, frame);
      }
    }
    this.#events.receive(frame, running.id);
  }

  /** A request's answer that is none of success. */
  async #other(running: Running, response: Reply): Promise<void> {
    const { status } = response, { id, frame, epoch } = running;
    const modern = frame.versionAt >= 0;
    if (status < 300) {
      await discard(response);
      throw new TargetError(
        "broken",
        `${this.#target.shown} took the request (${status}) and gave no answer`,
      );
    }
    const error = await this.#target.refusal(response);
    if (
      !modern && frame.method !== "initialize" &&
      running.inSession && isForgotten(status, error)
    ) {
      running.done = true;
      if (!this.#resent.has(id)) return this.#lose(error.message, [id], epoch);
      this.#resent.delete(id);
    }
    if (
      modern && error.code === CODE.headerMismatch &&
      frame.method === "tools/call" && !running.again
    ) {
      running.again = true;
      this.#modern.tools.clear();
      return await this.#run(running);
    }
    if (error.code === undefined) this.#unsuitable(running, status);
    this.#fail(running, error.message, error);
  }

  #unsuitable(running: Running, status: number): void {
    if (!running.done) this.onunsuitable(running.id, status);
  }

  #fail(running: Running, message: string, error?: TargetError): void {
    running.done = true;
    this.#resent.delete(running.id);
    this.#events.failed(running.id, message, error?.code, error?.data);
  }

  #broken(running: Running, cause: unknown): void {
    const { frame } = running;
    if (cause instanceof TargetError && cause.failure !== "broken") {
      return this.#fail(running, cause.message, cause);
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    if (
      isHarmless(frame.method) && !running.again &&
      !(cause instanceof FrameError)
    ) {
      log.debug(`${this.#target.shown}: "${frame.method}" is sent again`, {
        cause: why,
      });
      const again: Running = {
        ...running,
        stop: new AbortController(),
        again: true,
      };
      running.done = true;
      this.#running.set(running.id, again);
      return this.#track(this.#run(again));
    }
    const what = frame.method === "initialize"
      ? ""
      : "; it may have run, so it was not sent again";
    this.#fail(
      running,
      `The answer to "${frame.method}" is lost: ${why}${what}`,
    );
  }

  /** Posts a request, again for a while if nothing listens where a server was before. */
  async #reach(
    running: Running,
    headers: Record<string, string>,
  ): Promise<Reply> {
    const { signal } = running.stop, since = performance.now();
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#post(running.bytes, headers, signal);
      } catch (cause) {
        const wait = backOff(attempt, 1000);
        const patient = this.#target.reached &&
          performance.now() - since + wait < MAX_AWAY;
        if (
          !patient || !(cause instanceof TargetError) ||
          cause.failure !== "unsent"
        ) throw cause;
        await pause(wait, signal);
      }
    }
  }

  #post(
    bytes: Bytes,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Reply> {
    return this.#target.request("POST", headers, bytes, signal);
  }

  // ---- the legacy era: the session ----

  #begin(): void {
    if (this.#session !== "") this.#track(this.#goodbye(this.#legacy));
    this.#reset();
  }

  #reset(): void {
    this.#epoch++;
    this.#stream?.stop();
    this.#stream = undefined;
    this.#session = "";
    this.#established = false;
    this.#legacy = POST;
  }

  #establish(running: Running, frame: Frame): void {
    if (running.epoch !== this.#epoch) return;
    const { protocolVersion } = frame.value(
      frame.resultAt,
      frame.resultEnd,
    ) as { protocolVersion?: unknown };
    this.#established = true;
    this.#forgot = "";
    this.#legacy = { ...POST };
    if (this.#session !== "") this.#legacy["mcp-session-id"] = this.#session;
    if (typeof protocolVersion === "string") {
      this.#legacy["mcp-protocol-version"] = protocolVersion;
    }
  }

  #listen(): void {
    this.#stream?.stop();
    const epoch = this.#epoch;
    const ondata = (data: Bytes) => {
      try {
        for (const part of isBatch(data) ? readBatch(data) : [data]) {
          this.#events.receive(readFrame(oneLine(part)), 0);
        }
      } catch (cause) {
        log.warn(`${this.#target.shown} sent an event that is no message`, {
          cause,
        });
      }
    };
    const inSession = this.#session !== "";
    const forgotten = async (response: Reply) =>
      inSession &&
      isForgotten(response.status, await this.#target.refusal(response));
    const stream = new ServerStream(
      this.#target,
      this.#legacy,
      ondata,
      forgotten,
      (reason) => this.#lose(reason, [], epoch),
    );
    this.#stream = stream;
    this.#track(stream.ended);
  }

  /** The server does not know the session of `epoch` any more. */
  #lose(reason: string, undelivered: number[], epoch: number): void {
    for (const id of undelivered) this.#resent.add(id);
    if (epoch === this.#epoch && this.#established) {
      this.#reset();
      this.#forgot = reason;
    } else if (this.#established && this.#forgot === "") {
      // Another request has found out before, and there is a new session already.
      for (const id of undelivered) {
        const running = this.#running.get(id);
        if (!running) continue;
        this.send(running.bytes, running.frame, id, running.headers);
      }
      return;
    }
    this.#events.lost(reason, undelivered);
  }

  // ---- notifications and responses ----

  #tell(bytes: Bytes, frame: Frame): void {
    const { method } = frame,
      modern = frame.versionAt >= 0 ||
        (!this.#established && this.#modern.version !== "");
    const initialized = method === "notifications/initialized" && !modern;
    const epoch = this.#epoch;
    const added = this.#outbox.add(async (signal) => {
      const headers = modern ? this.#modern.plain(method) : this.#legacy;
      await this.#deliver(bytes, method, headers, signal);
      if (initialized && epoch === this.#epoch && !this.#closing) {
        this.#listen();
      }
    }, initialized);
    if (!added) {
      log.warn(
        `${this.#target.shown} takes no messages; "${
          method || "a response"
        }" is dropped`,
      );
    }
  }

  async #deliver(
    bytes: Bytes,
    method: string,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const response = await this.#post(bytes, headers, signal);
      if (response.status < 300) return await discard(response);
      const error = await this.#target.refusal(response);
      log.warn(
        `${this.#target.shown} refused ${
          method === "" ? "a response" : `"${method}"`
        }: ${error.message}`,
      );
    } catch (cause) {
      log.warn(
        `${method === "" ? "A response" : `"${method}"`} is lost: ${
          cause instanceof Error ? cause.message : cause
        }`,
      );
    }
  }

  // ---- the end ----

  async #close(): Promise<void> {
    const late = new AbortController();
    await Promise.race([
      this.#outbox.drained(),
      pause(MAX_GOODBYE, late.signal),
    ]);
    late.abort();
    for (const running of this.#running.values()) {
      running.done = true;
      running.stop.abort();
    }
    this.#stream?.stop();
    if (this.#session !== "") await this.#goodbye(this.#legacy);
    await Promise.allSettled(this.#tasks);
  }

  async #goodbye(headers: Record<string, string>): Promise<void> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), MAX_GOODBYE);
    try {
      await discard(
        await this.#target.request("DELETE", headers, null, stop.signal),
      );
    } catch (cause) {
      log.debug(`${this.#target.shown}: the session could not be ended`, {
        cause,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #track(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task)).catch(() => {});
  }
}
