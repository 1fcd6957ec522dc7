/**
 * Bytes with some of them exchanged.
 *
 * @module
 */
import { type Bytes, FrameError } from "./scan.ts";

const decoder = new TextDecoder();

/** The bytes from `at` to `end`, one char a byte, so that {@linkcode exchange} can put them back as they were. */
export function raw(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  for (let i = at; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}

// Four bytes at a time where there are many: indexOf takes several times as long, and every large message comes by here.
function hasBreak(bytes: Bytes): boolean {
  const { buffer, byteOffset, length } = bytes;
  const from = -byteOffset & 3;
  const words = length < 256
    ? new Int32Array()
    : new Int32Array(buffer, byteOffset + from, (length - from) >> 2);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? 0;
    // A byte's high bit is set here if it is less than 14.
    if (((word - 0x0e0e0e0e) & ~word & 0x80808080) !== 0) {
      return bytes.includes(10) || bytes.includes(13);
    }
  }
  const rest = words.length === 0
    ? [bytes]
    : [bytes.subarray(0, from), bytes.subarray(from + words.length * 4)];
  return rest.some((part) => part.includes(10) || part.includes(13));
}

/**
 * The message on one line, as the stdio transport needs it. Line breaks can only be white space or an error: raw ones
 * inside a string are no JSON. Throws a {@linkcode FrameError}.
 */
export function oneLine(bytes: Bytes): Bytes {
  if (!hasBreak(bytes)) return bytes;
  try {
    JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new FrameError(
      -32700,
      `Parse error: ${cause instanceof Error ? cause.message : cause}`,
    );
  }
  return bytes.map((c) => c === 10 || c === 13 ? 32 : c);
}

function put(to: Bytes, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) to[at + i] = text.charCodeAt(i);
  return at + text.length;
}

/** A copy of the bytes in which the part from `at` to `end` is exchanged for `text` (one char a byte). */
export function exchange(
  bytes: Bytes,
  at: number,
  end: number,
  text: string,
): Bytes {
  const copy = new Uint8Array(bytes.length - (end - at) + text.length);
  copy.set(at === bytes.length ? bytes : bytes.subarray(0, at));
  copy.set(bytes.subarray(end), put(copy, at, text));
  return copy;
}

/** {@linkcode exchange} for two parts at once, in any order. */
export function exchangeTwo(
  bytes: Bytes,
  at: number,
  end: number,
  text: string,
  at2: number,
  end2: number,
  text2: string,
): Bytes {
  if (at2 < at) return exchangeTwo(bytes, at2, end2, text2, at, end, text);
  const copy = new Uint8Array(
    bytes.length - (end - at) - (end2 - at2) + text.length + text2.length,
  );
  copy.set(bytes.subarray(0, at));
  let to = put(copy, at, text);
  const between = bytes.subarray(end, at2);
  copy.set(between, to);
  to = put(copy, to + between.length, text2);
  copy.set(bytes.subarray(end2), to);
  return copy;
}

/** The parts as one, `size` bytes in all. */
export function joined(parts: readonly Uint8Array[], size: number): Bytes {
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
