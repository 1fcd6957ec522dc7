/**
 * Names and URIs inside messages, exchanged where the catalog calls something otherwise than its server does.
 *
 * @module
 */
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import { partsOf } from "../mcp/parts.ts";
import { exchange } from "../mcp/splice.ts";
import { encode, errorResponse } from "../mcp/message.ts";
import type { Exchange } from "../wire/leg.ts";
import { jsonText } from "./lists.ts";

/** A frame in which the JSON string from `at` to `end` is another one. */
export function renamedTo(
  frame: Frame,
  at: number,
  end: number,
  text: string,
): Frame {
  if (at < 0 || frame.string(at, end) === text) return frame;
  return readFrame(exchange(frame.bytes, at, end, jsonText(text)));
}

/** What a completion is asked for: a prompt by its name, or a resource by its template. */
export interface CompletionTarget {
  /** Which of the two. */
  kind: "prompt" | "resource";
  /** Name or template. */
  text: string;
  /** Where in the frame it stands. */
  at: number;
  /** Its end. */
  end: number;
}

/** What `completion/complete` is asked for; `undefined` where the request does not say. */
export function completionTarget(frame: Frame): CompletionTarget | undefined {
  const ref = partsOf(
    frame.bytes,
    frame.paramsAt < 0 ? frame.bytes.length : frame.paramsAt,
  ).find(({ key }) => key === "ref");
  if (!ref) return undefined;
  for (const { key, at, end } of partsOf(frame.bytes, ref.at)) {
    if (key === "name") {
      return { kind: "prompt", text: frame.string(at, end), at, end };
    }
    if (key === "uri") {
      return { kind: "resource", text: frame.string(at, end), at, end };
    }
  }
  return undefined;
}

/** A server's own URI for one that carries the server's name before its scheme. */
export function unalias(uri: string, serverName: string): string {
  const mark = aliasMark(serverName);
  return uri.startsWith(mark) ? uri.slice(mark.length) : uri;
}

/** What stands before the scheme of a server's URIs where they carry its name: letters of a scheme. */
export function aliasMark(serverName: string): string {
  const plain = serverName.replace(/[^A-Za-z0-9.-]/g, "-");
  return `${plain.replace(/^[^A-Za-z]/, "s$&")}+`;
}

/**
 * Whether a URI may come from a URI template (RFC 6570): its fixed parts stand in it, in order. Linear in the length of
 * both, whatever a server writes into a template.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  const fixed = template.split(/\{[^{}]*\}/);
  if (fixed.length === 1) return template === uri;
  const [first = "", ...rest] = fixed, last = rest.pop() ?? "";
  if (
    !uri.startsWith(first) || !uri.endsWith(last) ||
    uri.length < first.length + last.length
  ) return false;
  let at = first.length;
  const until = uri.length - last.length;
  for (const part of rest) {
    const found = uri.indexOf(part, at);
    if (found < 0 || found + part.length > until) return false;
    at = found + part.length;
  }
  return true;
}

/** An exchange in which a server's URIs are called what clients call them. */
export function withAliases(
  exchange: Exchange,
  aliases: ReadonlyMap<string, string> | undefined,
): Exchange {
  if (!aliases || aliases.size === 0) return exchange;
  return {
    ...through(exchange),
    push: (bytes) => exchange.push(aliased(bytes, aliases)),
    respond: (bytes, code) => exchange.respond(aliased(bytes, aliases), code),
  };
}

const URI = /"uri"\s*:\s*("(?:[^"\\]|\\.)*")/g;

/** A message in which a server's URIs are called what clients call them. */
export function aliased(
  bytes: Bytes,
  aliases: ReadonlyMap<string, string> | undefined,
): Bytes {
  if (!aliases || aliases.size === 0) return bytes;
  // Inside a string the quotes around the name would be escaped, so it is a name wherever it stands.
  return encode(
    new TextDecoder().decode(bytes).replace(URI, (member, text: string) => {
      const alias = aliases.get(stringOf(text));
      return alias === undefined ? member : `"uri":${JSON.stringify(alias)}`;
    }),
  );
}

function stringOf(json: string): string {
  try {
    return JSON.parse(json);
  } catch {
    return "";
  }
}

/** An exchange with the same methods as an object of its own, so that one of them can be exchanged. */
export function through(exchange: Exchange): Exchange {
  const { headers } = exchange;
  return {
    ...headers ? { headers } : {},
    push: (bytes) => exchange.push(bytes),
    respond: (bytes, code) => exchange.respond(bytes, code),
    refuse: (bytes) => exchange.refuse(bytes),
    cancelled: (bytes) => exchange.cancelled(bytes),
  };
}

/** Answers a request with an error. */
export function refuse(
  frame: Frame,
  exchange: Exchange,
  code: number,
  text: string,
): void {
  exchange.respond(errorResponse(frame.id, code, text), code);
}

/** The text of whatever was thrown. */
export function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
