import { META } from "../mcp/eras.ts";
import type { Frame } from "../mcp/frame.ts";
import type { Exchange } from "../wire/leg.ts";
import type { Client } from "./client.ts";
import { reaches } from "./memory.ts";
import type { Pending } from "./pending.ts";
import type { Relay } from "./relay.ts";

/** The capability that a client must have declared before a server may ask it (legacy, lifecycle: negotiation). */
const NEEDS: Record<string, string | undefined> = {
  "sampling/createMessage": "sampling",
  "elicitation/create": "elicitation",
  "roots/list": "roots",
};

/** To whom a message of the server's goes, and on which of its streams. */
export interface Owner {
  /** The client. */
  client: Client;
  /** The request on whose stream it goes; `undefined` for the stream of no request. */
  exchange: Exchange | undefined;
}

/**
 * Whose a server's request, log line or unknown notification is. Over HTTP its stream tells. Over stdio nothing does:
 * an exclusive client gets it; of several, the only one that has a request running and could have caused it; else
 * nobody, because a message must not reach a client that it may not be meant for.
 */
export function findOwner(
  relay: Relay,
  method: string,
  about: number,
  log?: Frame,
): Owner | undefined {
  const cause = relay.pending.get(about);
  if (cause?.client) {
    return wants(cause, log)
      ? { client: cause.client, exchange: cause.exchange }
      : undefined;
  }
  let client: Client | undefined;
  let latest: Pending | undefined;
  for (const pending of relay.pending.values()) {
    if (!pending.client) continue;
    const could = mayAsk(pending.client, method) && wants(pending, log);
    if (!relay.options.exclusive) {
      if (!could) continue;
      // Callers without a session are each their own, so two of their requests are two candidates.
      if (client && (client !== pending.client || !client.running)) {
        return undefined;
      }
    } else if (pending.client.running === undefined && latest) return undefined;
    client = pending.client;
    if (pending.frame.method !== "ping" || !latest) latest = pending;
  }
  if (client && latest) return { client, exchange: latest.exchange };
  if (!relay.options.exclusive) return undefined;
  const [only] = relay.clients;
  return only ? { client: only, exchange: undefined } : undefined;
}

function mayAsk(client: Client, method: string): boolean {
  const capability = NEEDS[method];
  return capability === undefined ||
    client.capabilities[capability] !== undefined;
}

// A log line is only for who asked for its level: in `logging/setLevel`, or in the request's envelope.
function wants(pending: Pending, log: Frame | undefined): boolean {
  if (log?.method !== "notifications/message") return true;
  const params = log.value(log.paramsAt, log.paramsEnd) as
    | { level?: string }
    | undefined;
  const level = params?.level ?? "";
  const { frame, client } = pending;
  if (frame.versionAt >= 0) {
    const meta = frame.value(frame.metaAt, frame.metaEnd) as Record<
      string,
      unknown
    >;
    const wanted = meta[META.logLevel];
    return typeof wanted === "string" && reaches(level, wanted);
  }
  return !client || client.level === "" || reaches(level, client.level);
}
