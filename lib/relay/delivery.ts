/**
 * To whom a server's own requests and notifications go, and under which ids and tokens.
 *
 * @module
 */
import type { Frame } from "../mcp/frame.ts";
import * as message from "../mcp/message.ts";
import { exchange as put, exchangeTwo as putTwo, raw } from "../mcp/splice.ts";
import { log } from "../log.ts";
import { findOwner } from "./attribution.ts";
import type { Relay } from "./relay.ts";

/** Hands a server's request to the client that it is for; answers it with an error where that is not certain. */
export function deliverRequest(
  relay: Relay,
  frame: Frame,
  about: number,
): void {
  const owner = findOwner(relay, frame.method, about);
  if (!owner) {
    if (frame.method === "ping") {
      return relay.tell(message.resultResponse(frame.id, {}), frame);
    }
    const running = new Set(relay.pending.all().map(({ client }) => client));
    const text =
      `Cannot tell which client "${frame.method}" is for: ${running.size} clients have requests running`;
    return relay.refuse(frame.id, text);
  }
  const { client, exchange } = owner;
  const { bytes, idAt, idEnd, tokenAt, tokenEnd } = frame;
  const token = tokenAt < 0 ? "" : raw(bytes, tokenAt, tokenEnd);
  const id = client.ask({ relay, id: frame.id, token });
  if (id === 0) {
    const text = "The client has too many unanswered requests";
    return relay.refuse(frame.id, text);
  }
  const asked = token === ""
    ? put(bytes, idAt, idEnd, `${id}`)
    : putTwo(bytes, idAt, idEnd, `${id}`, tokenAt, tokenEnd, `${id}`);
  if (exchange) exchange.push(asked);
  else client.push(relay, frame, asked);
}

/** Hands a server's notification to whom it belongs, or to nobody. */
export function deliverNotification(
  relay: Relay,
  frame: Frame,
  about: number,
): void {
  const { method, bytes } = frame, { memory, options } = relay;
  if (method === "notifications/progress") return progress(relay, frame);
  if (method === "notifications/cancelled") return cancellation(relay, frame);
  if (frame.subscriptionAt >= 0) {
    const { subscriptionAt: at, subscriptionEnd: end } = frame;
    const listen = relay.pending.get(Number(raw(bytes, at, end)));
    listen?.exchange.push(put(bytes, at, end, listen.clientId));
    return;
  }
  if (method.endsWith("/list_changed")) {
    options.onlistchanged?.(method);
    for (const client of relay.clients) {
      if (client.running) client.push(relay, frame, bytes);
    }
    return;
  }
  const updated = method === "notifications/resources/updated";
  if (updated && !options.exclusive) {
    const uri = frame.string(frame.uriAt, frame.uriEnd);
    for (const client of memory.subscribers(uri)) {
      client.push(relay, frame, bytes);
    }
    return;
  }
  if (updated || method === "notifications/tasks/status") {
    const taskId = frame.string(frame.taskIdAt, frame.taskIdEnd);
    const owner = options.exclusive
      ? relay.clients.values().next().value
      : memory.taskOwner(taskId);
    owner?.push(relay, frame, bytes);
    return;
  }
  const owner = findOwner(relay, method, about, frame);
  if (!owner) return log.debug(`${options.name}: nobody to give ${method} to`);
  if (owner.exchange) owner.exchange.push(bytes);
  else owner.client.push(relay, frame, bytes);
}

function progress(relay: Relay, frame: Frame): void {
  const { bytes, progressAt: at, progressEnd: end } = frame;
  const id = Number(raw(bytes, at, end)), pending = relay.pending.get(id);
  if (pending) {
    pending.since = performance.now();
    if (pending.token === "") return;
    return pending.exchange.push(put(bytes, at, end, pending.token));
  }
  // A task goes on after the response to its request.
  const task = relay.memory.taskToken(id);
  task?.client.push(relay, frame, put(bytes, at, end, task.token));
}

function cancellation(relay: Relay, frame: Frame): void {
  const { bytes, requestIdAt: at, requestIdEnd: end } = frame;
  const serverId = raw(bytes, at, end);
  for (const client of relay.clients) {
    for (const [id, ask] of client.asks) {
      if (ask.relay !== relay || ask.id !== serverId) continue;
      client.asks.delete(id);
      return client.push(relay, frame, put(bytes, at, end, `${id}`));
    }
  }
  // A modern server has no requests of its own: on stdio it ends a subscription in this way.
  const pending = relay.pending.get(Number(serverId));
  if (pending) relay.endListen(pending);
}
