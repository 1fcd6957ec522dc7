import { CODE } from "../mcp/eras.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { partsOf } from "../mcp/parts.ts";
import { exchange as put } from "../mcp/splice.ts";
import type { Exchange, Receiver } from "../wire/leg.ts";
import type { ModernServer } from "../wire/modern_server.ts";
import { refuse, through } from "./rewrite.ts";

/** Which tools there are; may change while sessions go on. */
export type Allows = (tool: string) => boolean;

/** A server's receiver from which the tools that its filter leaves out are kept, in lists and in calls alike. */
export function filtered(receiver: Receiver, allows: () => Allows): Receiver {
  return {
    request(frame, exchange) {
      if (frame.method === "tools/call") {
        const name = frame.string(frame.nameAt, frame.nameEnd);
        if (allows()(name)) return receiver.request(frame, exchange);
        refuse(
          frame,
          exchange,
          CODE.invalidParams,
          `tool '${name}' not found: tool not found`,
        );
        return 0;
      }
      return receiver.request(
        frame,
        frame.method === "tools/list" ? listing(exchange, allows()) : exchange,
      );
    },
    notification: (frame) => receiver.notification(frame),
    response: (frame) => receiver.response(frame),
    abandon: (handle) => receiver.abandon(handle),
    leave: () => receiver.leave(),
  };
}

/** {@linkcode filtered} for a modern server. */
export function filteredModern(
  server: ModernServer,
  allows: () => Allows,
): ModernServer {
  return {
    receiver: filtered(server.receiver, allows),
    versions: server.versions,
    tool: async (name) => allows()(name) ? await server.tool(name) : undefined,
  };
}

function listing(exchange: Exchange, allows: Allows): Exchange {
  return {
    ...through(exchange),
    respond: (bytes, code) =>
      exchange.respond(code === 0 ? without(bytes, allows) : bytes, code),
  };
}

// Cuts out the entries that are not allowed; the rest keeps its bytes.
function without(bytes: Bytes, allows: Allows): Bytes {
  const frame: Frame = readFrame(bytes);
  const list = partsOf(bytes, frame.resultAt).find(({ key }) =>
    key === "tools"
  );
  if (!list) return bytes;
  const kept: string[] = [];
  for (const { at, end } of partsOf(bytes, list.at)) {
    const name = partsOf(bytes, at).findLast(({ key }) => key === "name");
    if (!name || allows(frame.string(name.at, name.end))) {
      kept.push(latin(bytes, at, end));
    }
  }
  return put(bytes, list.at, list.end, `[${kept.join(",")}]`);
}

// One char a byte, which is how `exchange` takes text.
function latin(bytes: Bytes, at: number, end: number): string {
  let text = "";
  for (let from = at; from < end; from += 8192) {
    text += String.fromCharCode(
      ...bytes.subarray(from, Math.min(end, from + 8192)),
    );
  }
  return text;
}
