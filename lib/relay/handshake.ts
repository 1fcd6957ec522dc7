import { CODE, LATEST_LEGACY, LEGACY_VERSIONS } from "../mcp/eras.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { exchange, exchangeTwo, raw } from "../mcp/splice.ts";
import * as message from "../mcp/message.ts";
import type { Exchange } from "../wire/leg.ts";
import { log } from "../log.ts";
import { version } from "../version.ts";
import type { Client } from "./client.ts";
import type { Pending } from "./pending.ts";
import type { Relay } from "./relay.ts";

const OURSELVES = { name: "mcp-proxy", version };

interface Answer {
  result?: { protocolVersion?: string };
  error?: { code: number; message: string; data?: unknown };
}

/**
 * The part of the conversation that makes state in a server: `initialize`, log level, subscriptions. An exclusive
 * client's pass as they are, and are noted, so that they can be said again to a server that has forgotten. A shared
 * server hears each of them once, whoever says it.
 */
export class Handshake {
  readonly #relay: Relay;
  #shared: Promise<Frame> | undefined;
  #ready = false;

  /** Takes the relay whose server is told. */
  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** Looks at a client's request; `true` where it has been dealt with and must not be forwarded. */
  request(client: Client, frame: Frame, exchange: Exchange): boolean {
    const { memory, options } = this.#relay;
    switch (frame.method) {
      case "initialize":
        if (frame.versionAt >= 0) return false;
        // A client without a session cannot be asked anything: its answer could be anybody's.
        if (client.running) client.introduce(frame);
        if (options.exclusive) return false;
        this.#join(client, frame, exchange);
        return true;
      case "logging/setLevel": {
        const params = frame.value(frame.paramsAt, frame.paramsEnd) as {
          level?: unknown;
        } | undefined;
        if (typeof params?.level !== "string" || frame.versionAt >= 0) {
          return false;
        }
        if (!memory.setLevel(client, params.level)) return false;
        const least = this.#level;
        if (options.exclusive || least === params.level) return false;
        // Somebody else wants more than this client: the server goes on at that level, and the rest is kept from this one.
        const bytes = readFrame(
          message.request(0, frame.method, { level: least }),
        );
        this.#relay.send(bytes).then(
          () => exchange.respond(message.resultResponse(frame.id, {}), 0),
          (cause) => fail(frame, exchange, cause),
        );
        return true;
      }
      case "resources/subscribe":
        // Noted before the server has agreed, so that nobody else's farewell in the meantime ends it.
        memory.subscribe(client, frame.string(frame.uriAt, frame.uriEnd));
        return false;
      case "resources/unsubscribe":
        if (
          memory.unsubscribe(client, frame.string(frame.uriAt, frame.uriEnd)) ||
          options.exclusive
        ) return false;
        exchange.respond(message.resultResponse(frame.id, {}), 0);
        return true;
      default:
        // A client without a session may come to a server that nobody has said hello to.
        if (options.exclusive || this.#ready || frame.versionAt >= 0) {
          return false;
        }
        this.begin(this.#forAll({})).then(
          () => this.#relay.forward(client, frame, exchange),
          (cause) => fail(frame, exchange, cause),
        );
        return true;
    }
  }

  /** Looks at a client's notification; `true` where it must not be forwarded. */
  notification(frame: Frame): boolean {
    const { memory, options } = this.#relay;
    if (frame.method === "notifications/initialized") {
      // A shared server hears this as soon as it has answered, from us.
      if (!options.exclusive) return true;
      memory.initialized = true;
    }
    return frame.method === "notifications/roots/list_changed" &&
      !options.exclusive;
  }

  /** Notes what the server agreed to. */
  response(pending: Pending, frame: Frame): void {
    const { client, frame: asked } = pending, { memory } = this.#relay;
    if (!client || asked.versionAt >= 0) return;
    if (asked.method === "resources/subscribe" && frame.kind === "error") {
      memory.unsubscribe(client, asked.string(asked.uriAt, asked.uriEnd));
    } else if (asked.method === "initialize" && frame.kind === "result") {
      memory.initialize = asked;
      client.version =
        (frame.value(frame.resultAt, frame.resultEnd) as Answer["result"])
          ?.protocolVersion ?? "";
    }
  }

  // What the server is told, so that every client gets what it wants: all, as long as one has not said what that is.
  get #level(): string {
    const { memory, clients } = this.#relay;
    const { level } = memory;
    if (level === "" || this.#relay.options.exclusive) return level;
    for (const client of clients) {
      if (client.running && client.level === "") return "debug";
    }
    return level;
  }

  /** Tells a server that has forgotten all that it had been told. Rejects where it will not have it. */
  async replay(): Promise<void> {
    const relay = this.#relay, { memory } = relay;
    if (!memory.initialize) return;
    const first = memory.initialize;
    const answer = relay.send(first);
    if (!relay.options.exclusive) this.#shared = answer;
    await answer.catch((cause) => {
      this.#shared = undefined;
      this.#ready = false;
      throw cause;
    });
    relay.notify("notifications/initialized");
    const told: Promise<unknown>[] = [...memory.subscriptions.keys()].map((
      uri,
    ) => relay.ask("resources/subscribe", { uri }));
    const level = this.#level;
    if (level !== "") told.push(relay.ask("logging/setLevel", { level }));
    // They have gone out before anything that comes now; what waits need not wait for their answers.
    for (const one of told) {
      one.catch((cause) =>
        log.warn(
          `${relay.options.name}: a subscription or log level is lost: ${cause.message}`,
        )
      );
    }
  }

  async #join(client: Client, frame: Frame, answerTo: Exchange): Promise<void> {
    try {
      const params =
        (frame.value(frame.paramsAt, frame.paramsEnd) ?? {}) as Record<
          string,
          unknown
        >;
      const answer = await this.begin(this.#forAll(params));
      const { result } = answer.value(0, answer.bytes.length) as Answer;
      const wanted = String(params["protocolVersion"]),
        spoken = result?.protocolVersion ?? LATEST_LEGACY;
      // Versions with a handshake differ by what may be added, so a server that speaks a later one serves an earlier one.
      const known = LEGACY_VERSIONS.some((version) => version === wanted) &&
        wanted < spoken;
      const version = known ? wanted : spoken;
      if (client.running) client.version = version;
      answerTo.respond(withVersion(answer, frame.id, version), 0);
    } catch (cause) {
      fail(frame, answerTo, cause);
    }
  }

  /** Says hello to the server, once, and tells it that it has been heard. Rejects where the server refuses. */
  begin(params: Record<string, unknown>, headers?: Headers): Promise<Frame> {
    return this.#shared ??= this.#initialize(params, headers).catch((cause) => {
      this.#shared = undefined;
      this.#relay.memory.initialize = undefined;
      throw cause;
    });
  }

  // A shared server serves clients to come too: it is told the latest version, and all that any of them may be asked.
  #forAll(params: Record<string, unknown>): Record<string, unknown> {
    const capabilities = this.#relay.options.capabilities ?? {};
    return {
      clientInfo: OURSELVES,
      ...params,
      protocolVersion: LATEST_LEGACY,
      capabilities,
    };
  }

  async #initialize(
    params: Record<string, unknown>,
    headers?: Headers,
  ): Promise<Frame> {
    const relay = this.#relay, { memory } = relay;
    memory.initialize = readFrame(message.request(0, "initialize", params));
    const answer = await relay.send(memory.initialize, headers);
    relay.notify("notifications/initialized");
    memory.initialized = true;
    this.#ready = true;
    return answer;
  }
}

// The server's own answer, byte for byte, but for id and version.
function withVersion(answer: Frame, id: string, version: string): Bytes {
  const { bytes, idAt, idEnd, resultAt, resultEnd } = answer;
  const found = /"protocolVersion"\s*:\s*("[^"\\]*")/.exec(
    raw(bytes, resultAt, resultEnd),
  );
  if (!found?.[1]) return exchange(bytes, idAt, idEnd, id);
  const end = resultAt + found.index + found[0].length;
  const at = end - found[1].length;
  return exchangeTwo(bytes, idAt, idEnd, id, at, end, `"${version}"`);
}

function fail(frame: Frame, exchange: Exchange, cause: unknown): void {
  const text = cause instanceof Error ? cause.message : String(cause);
  exchange.respond(
    message.errorResponse(frame.id, CODE.internal, text),
    CODE.internal,
  );
}
