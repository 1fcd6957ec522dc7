/** A relay between a server and clients that are lists. */

import { type Bytes, type Frame, readFrame } from "../../lib/mcp/frame.ts";
import { Relay, type RelayOptions } from "../../lib/relay/relay.ts";
import type { Client } from "../../lib/relay/client.ts";
import type { Exchange, Receiver, UpstreamLeg } from "../../lib/wire/leg.ts";

// deno-lint-ignore no-explicit-any -- any JSON
export type Message = any;

export const frameOf = (message: unknown): Frame =>
  readFrame(
    new TextEncoder().encode(
      typeof message === "string" ? message : JSON.stringify(message),
    ),
  );
export const textOf = (bytes: Uint8Array): string =>
  new TextDecoder().decode(bytes);

/** A server that only takes notes. */
export class FakeServer implements UpstreamLeg {
  /** What it was sent, as text. */
  texts: string[] = [];
  closed = false;

  send(bytes: Bytes): void {
    this.texts.push(textOf(bytes));
  }
  cancel(_id: number, bytes: Bytes): void {
    this.texts.push(textOf(bytes));
  }
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  get messages(): Message[] {
    return this.texts.map((text) => JSON.parse(text));
  }

  get last(): Message {
    return this.messages.at(-1);
  }
}

/** The way back of one request, which takes notes. */
export class Way implements Exchange {
  pushed: Message[] = [];
  /** Every response: there must never be two. */
  texts: string[] = [];
  status = "";

  push(bytes: Bytes): void {
    this.pushed.push(JSON.parse(textOf(bytes)));
  }
  respond(bytes: Bytes, errorCode: number): void {
    this.#end(bytes, errorCode === 0 ? "result" : `error ${errorCode}`);
  }
  refuse(bytes: Bytes): void {
    this.#end(bytes, "refused");
  }
  cancelled(bytes: Bytes): void {
    this.#end(bytes, "cancelled");
  }
  #end(bytes: Bytes, status: string): void {
    this.texts.push(textOf(bytes));
    this.status = status;
  }

  get response(): Message {
    if (this.texts.length !== 1) {
      throw new Error(`${this.texts.length} responses`);
    }
    return JSON.parse(this.texts[0] ?? "");
  }
}

/** A client that takes notes. */
export class Peer {
  /** What came on the stream of no request. */
  heard: Message[] = [];
  closed = "";
  readonly receiver: Receiver & { client: Client };

  constructor(relay: Relay, session = true) {
    this.receiver = relay.join({
      push: (bytes) => void this.heard.push(JSON.parse(textOf(bytes))),
      close: (reason) => void (this.closed = reason),
    }, session);
  }

  request(message: unknown): Way & { handle: number } {
    const way = new Way();
    const handle = this.receiver.request(frameOf(message), way);
    return Object.assign(way, { handle });
  }

  call(method: string, params: unknown = {}, id: unknown = method): Way {
    return this.request({ jsonrpc: "2.0", id, method, params });
  }

  tell(method: string, params: unknown): void {
    this.receiver.notification(frameOf({ jsonrpc: "2.0", method, params }));
  }

  reply(id: unknown, result: unknown = {}): void {
    this.receiver.response(frameOf({ jsonrpc: "2.0", id, result }));
  }
}

/** A relay with a server. */
export function relayed(
  options: Partial<RelayOptions> = {},
): {
  relay: Relay;
  server: FakeServer;
  says: (message: unknown, about?: number) => void;
} {
  const relay = new Relay({ name: "s", exclusive: false, ...options });
  const server = new FakeServer();
  relay.attach(server);
  const says = (message: unknown, about = 0) =>
    relay.receive(
      frameOf(
        typeof message === "string"
          ? message
          : { jsonrpc: "2.0", ...message as object },
      ),
      about,
    );
  return { relay, server, says };
}

/** A client that has said hello. */
export async function greeted(
  all: ReturnType<typeof relayed>,
  capabilities: Message = {},
): Promise<Peer> {
  const peer = new Peer(all.relay);
  const before = all.server.texts.length;
  const way = peer.call("initialize", {
    protocolVersion: "2025-11-25",
    capabilities,
    clientInfo: {},
  });
  const asked = all.server.messages.slice(before).find(({ method }) =>
    method === "initialize"
  );
  if (asked) {
    all.says({
      id: asked.id,
      result: { protocolVersion: "2025-11-25", capabilities: {} },
    });
  }
  await new Promise((done) => setTimeout(done));
  if (way.status !== "result") throw new Error(`not greeted: ${way.texts}`);
  peer.tell("notifications/initialized", {});
  return peer;
}
