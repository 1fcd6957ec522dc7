/**
 * What a server offers, as it said it: each entry of its lists keeps its bytes, and only the name is looked at.
 *
 * @module
 */
import { CODE } from "../mcp/eras.ts";
import type { Bytes, Frame } from "../mcp/frame.ts";
import { partsOf } from "../mcp/parts.ts";
import { exchange } from "../mcp/splice.ts";
import { encode } from "../mcp/message.ts";
import { ServerError } from "../relay/relay.ts";

/** How a list is asked for: by which method, under which name it comes, and which member of an entry names it. */
export interface ListShape {
  /** The method. */
  readonly method: string;
  /** The member of the result that is the list. */
  readonly member: string;
  /** The member of an entry that names it. */
  readonly key: string;
}

/** The lists that a server can have. */
export type ListKind = "tools" | "prompts" | "resources" | "resourceTemplates";

/** The shape of each list, and the notification that tells of changes. */
export const LISTS: Readonly<
  Record<ListKind, ListShape & { readonly changed: string }>
> = {
  tools: {
    member: "tools",
    method: "tools/list",
    key: "name",
    changed: "notifications/tools/list_changed",
  },
  prompts: {
    member: "prompts",
    method: "prompts/list",
    key: "name",
    changed: "notifications/prompts/list_changed",
  },
  resources: {
    member: "resources",
    method: "resources/list",
    key: "uri",
    changed: "notifications/resources/list_changed",
  },
  resourceTemplates: {
    member: "resourceTemplates",
    method: "resources/templates/list",
    key: "uriTemplate",
    changed: "notifications/resources/list_changed",
  },
};

/** The list of tasks (2025-11-25), which is nobody's but its caller's. */
export const TASKS: ListShape = {
  method: "tasks/list",
  member: "tasks",
  key: "taskId",
};

/** All kinds of lists. */
export const KINDS = Object.keys(LISTS) as ListKind[];

/** How many pages of one list are asked for; a server whose cursors never end must not keep us busy. */
const MAX_PAGES = 1000;

/** One tool, prompt, resource or template. */
export interface Item {
  /** Its name, URI or URI template. */
  name: string;
  /** It as its server wrote it. */
  bytes: Bytes;
  /** Where in `bytes` the name stands, as JSON. */
  at: number;
  /** End of the name. */
  end: number;
}

/** One server's list of one kind. */
export interface Listing {
  /** Its entries, in the server's order. */
  items: Item[];
  /** For how long the server says that it stays so, in ms (2026-07-28, caching); 0 where it says nothing. */
  ttlMs: number;
  /** Whether the server says that it is the same for everybody. */
  shared: boolean;
}

/** Asks a server something. */
export type Ask = (
  method: string,
  params: Record<string, unknown>,
) => Promise<Frame>;

/** Nothing. */
export const NONE: Listing = { items: [], ttlMs: 0, shared: false };

/** Asks for a list, all pages of it. A server that does not know the method has nothing of the kind. */
export async function fetchList(
  shape: ListShape,
  ask: Ask,
): Promise<Listing> {
  const listing: Listing = { items: [], ttlMs: Infinity, shared: true };
  let cursor: unknown;
  for (let page = 0; page < MAX_PAGES; page++) {
    let answer: Frame;
    try {
      answer = await ask(
        shape.method,
        cursor === undefined ? {} : { cursor },
      );
    } catch (cause) {
      if (cause instanceof ServerError && cause.code === CODE.methodNotFound) {
        break;
      }
      throw cause;
    }
    const before = cursor;
    cursor = undefined;
    let ttlMs = 0, shared = false;
    for (const { key, at, end } of partsOf(answer.bytes, answer.resultAt)) {
      if (key === shape.member) {
        for (const item of itemsAt(answer.bytes, at, shape)) {
          listing.items.push(item);
        }
      } else if (key === "nextCursor") cursor = answer.value(at, end);
      else if (key === "ttlMs") ttlMs = Number(answer.value(at, end)) || 0;
      else if (key === "cacheScope") {
        shared = answer.value(at, end) === "public";
      }
    }
    listing.ttlMs = Math.min(listing.ttlMs, ttlMs);
    listing.shared &&= shared;
    if (cursor === undefined || cursor === null || cursor === before) break;
  }
  if (listing.ttlMs === Infinity) listing.ttlMs = 0;
  return listing;
}

function itemsAt(bytes: Bytes, listAt: number, shape: ListShape): Item[] {
  const items: Item[] = [];
  for (const { at, end } of partsOf(bytes, listAt)) {
    const item = bytes.slice(at, end);
    const name = partsOf(item, 0).findLast(({ key }) => key === shape.key);
    if (!name) continue;
    const text: unknown = JSON.parse(
      new TextDecoder().decode(item.subarray(name.at, name.end)),
    );
    if (typeof text === "string") {
      items.push({ name: text, bytes: item, at: name.at, end: name.end });
    }
  }
  return items;
}

/** An entry under another name. */
export function renamed(item: Item, name: string): Bytes {
  return name === item.name
    ? item.bytes
    : exchange(item.bytes, item.at, item.end, jsonText(name));
}

/** A string as JSON text, one char a byte, as {@linkcode exchange} takes it. */
export function jsonText(text: string): string {
  let raw = "";
  for (const byte of encode(JSON.stringify(text))) {
    raw += String.fromCharCode(byte);
  }
  return raw;
}

/** A JSON object with one list, and other members after it. */
export function listResult(
  member: string,
  items: readonly Bytes[],
  rest: Record<string, unknown>,
): Bytes {
  const head = encode(`{"${member}":[`),
    more = JSON.stringify(rest).slice(1, -1);
  const tail = encode(more === "" ? "]}" : `],${more}}`);
  const size = items.reduce(
    (sum, item) => sum + item.length + 1,
    head.length + tail.length,
  );
  const all = new Uint8Array(size - (items.length > 0 ? 1 : 0));
  all.set(head);
  let at = head.length;
  for (const [index, item] of items.entries()) {
    if (index > 0) all[at++] = 44;
    all.set(item, at);
    at += item.length;
  }
  all.set(tail, at);
  return all;
}
