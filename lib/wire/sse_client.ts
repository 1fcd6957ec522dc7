/**
 * A remote server over HTTP+SSE (MCP 2024-11-05): one event stream brings everything, messages are posted to the URL
 * that the stream names first.
 *
 * @module
 */
import { log, maskUrl } from "../log.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { isBatch, readBatch } from "../mcp/parts.ts";
import { oneLine } from "../mcp/splice.ts";
import { EventReader } from "./event_source.ts";
import { isHarmless } from "./http_client.ts";
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

/** An open stream, and where to post. */
interface Connection {
  readonly stop: AbortController;
  post: string;
}

/** A request whose response is not there yet. */
interface Running {
  readonly frame: Frame;
  readonly stop: AbortController;
  /** Whether the server has it: `asked` while nobody knows. */
  step: "waits" | "asked" | "taken";
  /** Why the stream on which the response was to come is gone, while it is not yet known whether the server has it. */
  orphaned: string;
}

/** How long a server may take to say whether it has a request whose stream is gone, in ms. */
const MAX_DOUBT = 3000;
/** How long the server may take to name the URL for messages, in ms. */
const MAX_ENDPOINT = 10_000;
/** How long a server that was there before may be away, in ms, before requests to it fail. */
const MAX_AWAY = 4000;
/** Longest pause between attempts to get a broken stream back, in ms. */
const MAX_PAUSE = 30_000;

const NOT_AGAIN = "; it may have run, so it was not sent again";

const POST = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};
const GET = { accept: "text/event-stream", "cache-control": "no-store" };

/** A remote server over HTTP+SSE. */
export class SseClient implements UpstreamLeg {
  readonly #target: Target;
  readonly #events: UpstreamEvents;
  readonly #closed = new AbortController();
  readonly #outbox = new Outbox();
  readonly #tasks: Set<Promise<void>> = new Set();
  /** Requests without a response. */
  readonly #running: Map<number, Running> = new Map();
  #connecting: Promise<Connection> | undefined;
  #connection: Connection | undefined;
  #established = false;
  #forgot = "";

  /** Takes the URL of the stream, and who is told what comes. Connects with the first message. */
  constructor(target: Target, events: UpstreamEvents) {
    this.#target = target;
    this.#events = events;
  }

  /** Opens the stream ahead of the first message; throws a {@linkcode TargetError} where the URL has none. */
  async open(): Promise<void> {
    await this.#connect();
  }

  /** Sends a message; see {@linkcode UpstreamLeg.send}. */
  send(bytes: Bytes, frame: Frame, id: number, headers?: Headers): void {
    if (this.#closed.signal.aborted) {
      if (id !== 0) {
        this.#events.failed(
          id,
          `The connection to ${this.#target.shown} is closed`,
        );
      }
      return;
    }
    if (id === 0) {
      const initialized = frame.method === "notifications/initialized";
      this.#outbox.add(
        (signal) => this.#tell(bytes, frame.method, signal),
        initialized,
      );
      return;
    }
    // The stream is the session, so what one request carries all of them do.
    this.#target.forwarded(headers, true);
    if (frame.method === "initialize") {
      // A connection is a session here, so a new session needs a new one.
      if (this.#established) this.#drop("a new session was begun", false);
    } else if (this.#forgot !== "") {
      return this.#events.lost(this.#forgot, [id]);
    }
    this.#running.set(id, {
      frame,
      stop: new AbortController(),
      step: "waits",
      orphaned: "",
    });
    this.#track(this.#request(bytes, frame, id));
  }

  /** Cancels a request; see {@linkcode UpstreamLeg.cancel}. */
  cancel(id: number, bytes: Bytes): void {
    const running = this.#running.get(id);
    if (!this.#running.delete(id) || !running) return;
    running.stop.abort();
    if (running.step !== "waits") {
      this.#track(
        this.#tell(bytes, "notifications/cancelled", this.#closed.signal),
      );
    }
  }

  /** Closes the stream, which ends the session; see {@linkcode UpstreamLeg.close}. */
  async close(): Promise<void> {
    const late = new AbortController();
    await Promise.race([this.#outbox.drained(), pause(2000, late.signal)]);
    late.abort();
    this.#closed.abort();
    this.#connection?.stop.abort();
    for (const { stop } of this.#running.values()) stop.abort();
    this.#running.clear();
    await Promise.allSettled(this.#tasks);
  }

  async #request(bytes: Bytes, frame: Frame, id: number): Promise<void> {
    const running = this.#running.get(id);
    if (!running) return;
    const gone = () => this.#running.get(id) !== running;
    let post = "";
    try {
      if (this.#outbox.gate) await this.#outbox.gate;
      ({ post } = await this.#connect());
      if (gone()) return;
      running.step = "asked";
      const response = await this.#target.request(
        "POST",
        POST,
        bytes,
        running.stop.signal,
        post,
      );
      if (response.status < 300) {
        running.step = "taken";
        await this.#body(response, id);
        if (!gone() && running.orphaned !== "") {
          this.#abandon(id, running, running.orphaned);
        }
        return;
      }
      const error = await this.#target.refusal(response, post);
      if (gone()) return;
      running.step = "waits";
      if (running.orphaned !== "") return this.#again(id, running.orphaned);
      if (response.status === 404 && frame.method !== "initialize") {
        return this.#drop(error.message, true);
      }
      this.#fail(id, error.message, error);
    } catch (cause) {
      if (gone()) return;
      const why = cause instanceof Error ? cause.message : String(cause);
      const unsent = cause instanceof TargetError && cause.failure === "unsent";
      if (unsent && running.orphaned !== "") {
        return this.#again(id, running.orphaned);
      }
      if (unsent && running.step === "asked" && frame.method !== "initialize") {
        running.step = "waits";
        return this.#drop(why, true);
      }
      if (cause instanceof TargetError && cause.failure !== "broken") {
        return this.#fail(id, why, cause);
      }
      this.#abandon(id, running, why);
    }
  }

  /** The server surely has not run it: it goes into the next session. */
  #again(id: number, why: string): void {
    this.#running.delete(id);
    this.#events.lost(why, [id]);
  }

  #abandon(id: number, { frame: { method } }: Running, why: string): void {
    this.#fail(
      id,
      `The answer to "${method}" is lost: ${why}${
        method === "initialize" ? "" : NOT_AGAIN
      }`,
    );
  }

  #fail(id: number, message: string, error?: TargetError): void {
    this.#running.delete(id);
    this.#events.failed(id, message, error?.code, error?.data);
  }

  // Answers come on the stream; some servers put them into the response all the same.
  async #body(response: Reply, id: number): Promise<void> {
    if (response.status !== 200 || mediaType(response) !== "application/json") {
      return await discard(response);
    }
    const body = await readBody(response, MAX_ANSWER);
    if (body.length > 0 && this.#running.has(id)) this.#receive(body);
  }

  async #tell(
    bytes: Bytes,
    method: string,
    signal: AbortSignal,
  ): Promise<void> {
    const what = method === "" ? "a response" : `"${method}"`;
    try {
      const { post } = await this.#connect();
      const response = await this.#target.request(
        "POST",
        POST,
        bytes,
        signal,
        post,
      );
      if (response.status < 300) return await discard(response);
      log.warn(
        `${this.#target.shown} refused ${what}: ${
          (await this.#target.refusal(response, post)).message
        }`,
      );
    } catch (cause) {
      if (!this.#closed.signal.aborted) {
        log.warn(
          `${what} is lost: ${cause instanceof Error ? cause.message : cause}`,
        );
      }
    }
  }

  // ---- the stream ----

  #connect(): Promise<Connection> | Connection {
    return this.#connection ??
      (this.#connecting ??= this.#open().finally(() =>
        this.#connecting = undefined
      ));
  }

  async #open(): Promise<Connection> {
    const since = performance.now();
    for (let attempt = 0;; attempt++) {
      try {
        return await this.#dial();
      } catch (cause) {
        const wait = backOff(attempt, 1000);
        const patient = this.#target.reached &&
          performance.now() - since + wait < MAX_AWAY;
        if (
          !patient || !(cause instanceof TargetError) ||
          cause.failure !== "unsent"
        ) throw cause;
        await pause(wait, this.#closed.signal);
        if (this.#closed.signal.aborted) throw cause;
      }
    }
  }

  async #dial(): Promise<Connection> {
    const stop = new AbortController(), { shown } = this.#target;
    const none = `${shown} names no URL for messages within ${
      MAX_ENDPOINT / 1000
    } s; is it an HTTP+SSE server?`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new TargetError("refused", none)),
        MAX_ENDPOINT,
      );
    });
    const closed = () => stop.abort();
    this.#closed.signal.addEventListener("abort", closed);
    try {
      if (this.#closed.signal.aborted) stop.abort();
      return await Promise.race([this.#listen(stop), late]);
    } catch (cause) {
      stop.abort();
      // Nothing has been posted yet, whatever became of the stream.
      if (cause instanceof TargetError && cause.failure !== "broken") {
        throw cause;
      }
      throw new TargetError(
        "unsent",
        `${shown}: the event stream broke off (${
          cause instanceof Error ? cause.message : cause
        })`,
      );
    } finally {
      clearTimeout(timer);
      this.#closed.signal.removeEventListener("abort", closed);
    }
  }

  async #listen(stop: AbortController): Promise<Connection> {
    const response = await this.#target.request("GET", GET, null, stop.signal);
    if (response.status !== 200) throw await this.#target.refusal(response);
    if (mediaType(response) !== "text/event-stream") {
      await discard(response);
      throw new TargetError(
        "refused",
        `${this.#target.shown} is no event stream (${
          mediaType(response) || "no content type"
        })`,
      );
    }
    const connection = { stop, post: "" };
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const events = new EventReader(MAX_ANSWER, (data, type) => {
      if (type !== "endpoint") {
        if (connection === this.#connection) this.#receive(data);
        return;
      }
      try {
        connection.post = this.#resolve(new TextDecoder().decode(data));
        // At once, for messages may follow in the same chunk.
        this.#connection = connection;
        resolve(connection);
      } catch (cause) {
        reject(cause);
      }
    });
    this.#track(this.#follow(connection, response, events, reject));
    return await promise;
  }

  async #follow(
    connection: Connection,
    response: Reply,
    events: EventReader,
    failed: (cause: unknown) => void,
  ): Promise<void> {
    let why = "the server closed the event stream";
    try {
      for await (const chunk of response.body ?? []) events.push(chunk);
    } catch (cause) {
      why = `the event stream broke off (${
        cause instanceof Error ? cause.message : cause
      })`;
    }
    failed(new TargetError("unsent", why));
    if (this.#connection === connection && !this.#closed.signal.aborted) {
      this.#drop(why, true);
    }
  }

  #resolve(named: string): string {
    const base = new URL(this.#target.url);
    const post = URL.canParse(named, base) ? new URL(named, base) : undefined;
    if (post?.origin === base.origin) return post.href;
    const where = `${this.#target.shown} wants messages at ${maskUrl(named)}`;
    throw new TargetError(
      "refused",
      `${where}, which is another server; nothing is sent there`,
    );
  }

  #receive(data: Bytes): void {
    try {
      for (const part of isBatch(data) ? readBatch(data) : [data]) {
        const frame = readFrame(oneLine(part));
        if (frame.methodAt < 0) {
          const id = Number(frame.id), running = this.#running.get(id);
          this.#running.delete(id);
          if (
            running?.frame.method === "initialize" && frame.kind === "result"
          ) {
            this.#established = true;
            this.#forgot = "";
          }
        }
        this.#events.receive(frame, 0);
      }
    } catch (cause) {
      log.warn(`${this.#target.shown} sent an event that is no message`, {
        cause,
      });
    }
  }

  /** The stream is gone, and with it the session. */
  #drop(why: string, tell: boolean): void {
    const established = this.#established;
    this.#connection?.stop.abort();
    this.#connection = undefined;
    this.#established = false;
    const undelivered: number[] = [];
    for (const [id, running] of [...this.#running]) {
      const { frame, step, stop } = running;
      if (established && tell && step === "asked") {
        this.#doubt(id, running, why);
        continue;
      }
      stop.abort();
      if (
        established && tell && (step === "waits" || isHarmless(frame.method)) &&
        frame.method !== "initialize"
      ) {
        this.#running.delete(id);
        undelivered.push(id);
      } else this.#abandon(id, running, why);
    }
    if (!established || !tell) return;
    this.#forgot = why;
    this.#track(this.#renew(why, undelivered));
  }

  /** The stream is gone while a request is on its way: the answer to its POST tells whether the server has it. */
  #doubt(id: number, running: Running, why: string): void {
    running.orphaned = why;
    const late = async () => {
      await pause(
        MAX_DOUBT,
        AbortSignal.any([running.stop.signal, this.#closed.signal]),
      );
      if (this.#running.get(id) === running) this.#abandon(id, running, why);
      running.stop.abort();
    };
    this.#track(late());
  }

  /** Gets the stream back, sooner or later; whoever has the session told anew then does so. */
  async #renew(why: string, undelivered: number[]): Promise<void> {
    const { signal } = this.#closed;
    // Requests that wait must not wait long; the session itself is worth more patience.
    if (undelivered.length > 0) return this.#events.lost(why, undelivered);
    for (let attempt = 0; !signal.aborted && this.#forgot !== ""; attempt++) {
      await pause(backOff(attempt + 1, MAX_PAUSE), signal);
      if (signal.aborted || this.#forgot === "" || this.#connection) return;
      try {
        await this.#connect();
        return this.#events.lost(why, []);
      } catch (cause) {
        if (cause instanceof TargetError && cause.failure === "refused") {
          return log.warn(cause.message);
        }
      }
    }
  }

  #track(task: Promise<void>): void {
    this.#tasks.add(task);
    task.finally(() => this.#tasks.delete(task)).catch(() => {});
  }
}
