/**
 * The event streams that a client of Streamable HTTP opens itself: the one on which a legacy server sends what belongs to
 * no request, and those that take up a stream that broke off (MCP 2025-11-25, transports: resumability).
 *
 * @module
 */
import { log } from "../log.ts";
import type { Bytes } from "../mcp/frame.ts";
import { EventReader } from "./event_source.ts";
import type { Reply } from "./http1.ts";
import { backOff, pause } from "./pause.ts";
import {
  discard,
  MAX_ANSWER,
  mediaType,
  type Target,
  TargetError,
} from "./target.ts";

/** Pause before a stream is opened again, where the server named none, and the longest after failures, in ms. */
const PAUSE = 1000, MAX_PAUSE = 30_000;
/** How often in a row taking up a stream may fail, or bring nothing. */
const MAX_FAILURES = 5, MAX_EMPTY = 60;

/** Feeds a response's body to a reader until it ends. Rejects where it breaks off. */
export async function drain(
  body: AsyncIterable<Uint8Array> | null,
  events: EventReader,
): Promise<void> {
  if (!body) return;
  for await (const chunk of body) events.push(chunk);
}

/** Why a session's stream could not be opened: the status says whether the session is gone. */
export type Forgotten = (response: Reply) => Promise<boolean>;

/** The stream of what belongs to no request; opened again as long as the session lives. */
export class ServerStream {
  readonly #target: Target;
  readonly #headers: Record<string, string>;
  readonly #ondata: (data: Bytes) => void;
  readonly #forgotten: Forgotten;
  readonly #onlost: (reason: string) => void;
  readonly #stop = new AbortController();
  /** Resolves when it has ended for good. Never rejects. */
  readonly ended: Promise<void>;

  /** Opens the stream. `onlost` is called once if the server turns out to have forgotten the session. */
  constructor(
    target: Target,
    headers: Record<string, string>,
    ondata: (data: Bytes) => void,
    forgotten: Forgotten,
    onlost: (reason: string) => void,
  ) {
    this.#target = target;
    this.#headers = { ...headers, accept: "text/event-stream" };
    this.#ondata = ondata;
    this.#forgotten = forgotten;
    this.#onlost = onlost;
    this.ended = this.#run();
  }

  /** Closes the stream. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop, target = this.#target;
    let opened = false,
      failures = 0,
      empty = 0,
      lastEventId = "",
      retry: number | undefined;
    while (!signal.aborted) {
      const events = new EventReader(MAX_ANSWER, this.#ondata, lastEventId);
      try {
        const headers = lastEventId === ""
          ? this.#headers
          : { ...this.#headers, "last-event-id": lastEventId };
        const response = await target.request("GET", headers, null, signal);
        if (
          response.status === 200 && mediaType(response) === "text/event-stream"
        ) {
          opened = true;
          failures = 0;
          await drain(response.body, events);
        } else if (response.status >= 500) {
          await discard(response);
          failures++;
        } else {
          // Only a stream that has been there before can be gone: many servers have none, and say so in many ways.
          const lost = opened && await this.#forgotten(response);
          await discard(response);
          if (!lost && response.status === 400 && lastEventId !== "") {
            // The session is there, but what came last is not known any more.
            lastEventId = "";
            continue;
          }
          if (lost) {
            this.#onlost(
              `${target.shown} answered ${response.status} to its event stream`,
            );
          } else if (response.status !== 405) {
            log.debug(
              `${target.shown} has no event stream (${response.status})`,
            );
          }
          return;
        }
      } catch (cause) {
        if (signal.aborted) return;
        if (cause instanceof TargetError && cause.failure === "refused") {
          return log.warn(cause.message);
        }
        failures++;
        log.debug(`${target.shown}: the event stream broke off`, { cause });
      }
      lastEventId = events.lastEventId;
      retry = events.retry ?? retry;
      // A stream that ends again and again without a word is asked for less and less often.
      empty = events.events > 0 ? 0 : empty + 1;
      const least = empty > 1 ? backOff(empty, MAX_PAUSE) : 0;
      const wait = failures > 1
        ? backOff(failures + 3, MAX_PAUSE)
        : Math.max(least, retry ?? PAUSE);
      await pause(wait, signal);
    }
  }
}

/**
 * Takes up the stream of one request after it broke off, until `answered`, or until nothing more can be hoped for. Throws
 * what is wrong then; resolves with the response where the server refuses.
 */
export async function resume(
  target: Target,
  headers: Record<string, string>,
  first: EventReader,
  ondata: (data: Bytes) => void,
  answered: () => boolean,
  signal: AbortSignal,
): Promise<Reply | undefined> {
  let { lastEventId, retry } = first;
  for (
    let failures = 0, empty = 0;
    failures < MAX_FAILURES && empty < MAX_EMPTY;
  ) {
    await pause(
      retry ?? (failures > 0 ? backOff(failures + 2, MAX_PAUSE) : PAUSE),
      signal,
    );
    const events = new EventReader(MAX_ANSWER, ondata, lastEventId);
    try {
      const more = {
        ...headers,
        accept: "text/event-stream",
        "last-event-id": lastEventId,
      };
      const response = await target.request("GET", more, null, signal);
      if (
        response.status !== 200 || mediaType(response) !== "text/event-stream"
      ) {
        if (response.status < 500) return response;
        await discard(response);
        failures++;
        continue;
      }
      failures = 0;
      await drain(response.body, events);
    } catch (cause) {
      if (
        signal.aborted ||
        (cause instanceof TargetError && cause.failure === "refused")
      ) throw cause;
      failures++;
    }
    if (answered()) return undefined;
    empty = events.events > 0 ? 0 : empty + 1;
    lastEventId = events.lastEventId;
    retry = events.retry ?? retry;
  }
  throw new TargetError(
    "broken",
    "its stream broke off and could not be taken up again",
  );
}
