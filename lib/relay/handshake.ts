import { CODE, LATEST_LEGACY, LEGACY_VERSIONS } from "../mcp/eras.ts";
import { type Frame, readFrame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import type { Exchange } from "../wire/leg.ts";
import { log } from "../log.ts";
import { version } from "../version.ts";
import type { Client } from "./client.ts";
import type { Pending, Relay } from "./relay.ts";

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
        memory.setLevel(client, params.level);
        const least = memory.level;
        if (options.exclusive || least === "" || least === params.level) {
          return false;
        }
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
        this.#begin({}).then(
          () => this.#relay.forward(client, frame, frame.bytes, exchange),
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
    if (!client || frame.kind !== "result" || asked.versionAt >= 0) return;
    if (asked.method === "initialize") {
      memory.initialize = asked;
      client.version =
        (frame.value(frame.resultAt, frame.resultEnd) as Answer["result"])
          ?.protocolVersion ?? "";
    } else if (asked.method === "resources/subscribe") {
      memory.subscribe(client, asked.string(asked.uriAt, asked.uriEnd));
    }
  }

  /** Tells a server that has forgotten all that it had been told. Rejects where it will not have it. */
  async replay(): Promise<void> {
    const relay = this.#relay, { memory } = relay;
    if (!memory.initialize) return;
    const first = memory.initialize;
    const answer = relay.send(first);
    if (!relay.options.exclusive) this.#shared = answer;
    await answer;
    relay.notify("notifications/initialized");
    const told: Promise<unknown>[] = [...memory.subscriptions.keys()].map((
      uri,
    ) => relay.ask("resources/subscribe", { uri }));
    if (memory.level !== "") {
      told.push(relay.ask("logging/setLevel", { level: memory.level }));
    }
    for (
      const { reason } of (await Promise.allSettled(told)).filter((one) =>
        one.status === "rejected"
      )
    ) {
      log.warn(
        `${relay.options.name}: a subscription or log level is lost: ${reason.message}`,
      );
    }
  }

  async #join(client: Client, frame: Frame, exchange: Exchange): Promise<void> {
    try {
      const params =
        (frame.value(frame.paramsAt, frame.paramsEnd) ?? {}) as Record<
          string,
          unknown
        >;
      const answer = await this.#begin(params);
      const { result } = answer.value(0, answer.bytes.length) as Answer;
      const wanted = String(params["protocolVersion"]),
        spoken = result?.protocolVersion ?? LATEST_LEGACY;
      // Versions with a handshake differ by what may be added, so a server that speaks a later one serves an earlier one.
      const known = LEGACY_VERSIONS.some((version) => version === wanted) &&
        wanted < spoken;
      const version = known ? wanted : spoken;
      if (client.running) client.version = version;
      exchange.respond(
        message.resultResponse(frame.id, {
          ...result,
          protocolVersion: version,
        }),
        0,
      );
    } catch (cause) {
      fail(frame, exchange, cause);
    }
  }

  // Says hello to a shared server, once, in the words of its first client.
  #begin(params: Record<string, unknown>): Promise<Frame> {
    return this.#shared ??= this.#initialize(params).catch((cause) => {
      this.#shared = undefined;
      this.#relay.memory.initialize = undefined;
      throw cause;
    });
  }

  async #initialize(params: Record<string, unknown>): Promise<Frame> {
    const relay = this.#relay, { memory } = relay;
    // It serves all clients, those to come too, so it is told the latest version and all that any of them may be asked.
    const capabilities = relay.options.capabilities ?? {};
    const all = {
      clientInfo: OURSELVES,
      ...params,
      protocolVersion: LATEST_LEGACY,
      capabilities,
    };
    memory.initialize = readFrame(message.request(0, "initialize", all));
    const answer = await relay.send(memory.initialize);
    relay.notify("notifications/initialized");
    memory.initialized = true;
    this.#ready = true;
    return answer;
  }
}

function fail(frame: Frame, exchange: Exchange, cause: unknown): void {
  const text = cause instanceof Error ? cause.message : String(cause);
  exchange.respond(
    message.errorResponse(frame.id, CODE.internal, text),
    CODE.internal,
  );
}
