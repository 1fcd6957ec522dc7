/**
 * Looks into JSON text: where the members of an object, or the entries of a list, lie.
 *
 * @module
 */
import {
  begin,
  type Bytes,
  CLOSE,
  COLON,
  COMMA,
  fail,
  FrameError,
  LIST,
  LIST_END,
  OPEN,
  position,
  QUOTE,
  skipString,
  skipValue,
  space,
  step,
} from "./scan.ts";

const decoder = new TextDecoder();

/** Whether the bytes begin a JSON array: a batch of messages (MCP 2025-03-26 only). */
export function isBatch(bytes: Bytes): boolean {
  begin(bytes, 0);
  return space() === LIST;
}

/** The members of a JSON array of messages, each as its own bytes. Throws a {@linkcode FrameError}. */
export function readBatch(bytes: Bytes): Bytes[] {
  begin(bytes, 0);
  const parts: Bytes[] = [];
  space();
  step();
  if (space() === LIST_END) {
    throw new FrameError(-32600, "Invalid request: a batch cannot be empty");
  }
  for (;;) {
    space();
    const at = position;
    skipValue(1);
    parts.push(bytes.subarray(at, position));
    const c = space();
    step();
    if (c === LIST_END) break;
    if (c !== COMMA) fail("a batch without comma or end");
  }
  if (space() >= 0) fail("something after the batch");
  return parts;
}

/** A value inside JSON text: from `at` up to, and without, `end`; `key` is its name in an object, `""` in a list. */
export interface Part {
  /** The member's name. */
  key: string;
  /** Index of the first byte. */
  at: number;
  /** Index after the last byte. */
  end: number;
}

/** The members of the JSON object or list that begins at `at`; none where it is neither. Throws a {@linkcode FrameError}. */
export function partsOf(bytes: Uint8Array, at: number): Part[] {
  begin(bytes, at);
  const parts: Part[] = [];
  const open = space(), close = open === OPEN ? CLOSE : LIST_END;
  if (open !== OPEN && open !== LIST) return parts;
  step();
  if (space() === close) return parts;
  for (;;) {
    let key = "";
    if (open === OPEN) {
      if (space() !== QUOTE) fail("a member without a name");
      const keyAt = position;
      skipString();
      key = JSON.parse(decoder.decode(bytes.subarray(keyAt, position)));
      if (space() !== COLON) fail("a member without a colon");
      step();
    }
    space();
    const valueAt = position;
    skipValue(1);
    parts.push({ key, at: valueAt, end: position });
    const c = space();
    step();
    if (c === close) return parts;
    if (c !== COMMA) fail("no comma and no end");
  }
}
