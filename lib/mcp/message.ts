/**
 * Messages that the proxy writes itself: errors where the other side is gone, cancellations, and replies that nobody
 * else can give.
 *
 * @module
 */
import type { Bytes } from "./frame.ts";

const encoder = new TextEncoder();

/** The bytes of a text. */
export function encode(text: string): Bytes {
  return encoder.encode(text);
}

// An id comes as one char a byte (see Frame.id), so it must not be encoded a second time.
function withId(head: string, id: string, tail: string): Bytes {
  const front = encoder.encode(head), back = encoder.encode(tail);
  const all = new Uint8Array(front.length + id.length + back.length);
  all.set(front);
  for (let i = 0; i < id.length; i++) all[front.length + i] = id.charCodeAt(i);
  all.set(back, front.length + id.length);
  return all;
}

/** An error response. `id` is JSON text, one char a byte; `undefined` where no id could be read. */
export function errorResponse(
  id: string | undefined,
  code: number,
  message: string,
  data?: unknown,
): Bytes {
  const error = data === undefined
    ? { code, message }
    : { code, message, data };
  return withId(
    '{"jsonrpc":"2.0","id":',
    id ?? "null",
    `,"error":${JSON.stringify(error)}}`,
  );
}

/** A result response. `id` is JSON text, one char a byte. */
export function resultResponse(id: string, result: unknown): Bytes {
  return withId(
    '{"jsonrpc":"2.0","id":',
    id,
    `,"result":${JSON.stringify(result)}}`,
  );
}

/** A result response whose result is JSON text already. */
export function rawResultResponse(id: string, result: Bytes): Bytes {
  const head = withId('{"jsonrpc":"2.0","id":', id, ',"result":');
  const all = new Uint8Array(head.length + result.length + 1);
  all.set(head);
  all.set(result, head.length);
  all[all.length - 1] = 125;
  return all;
}

/** A request of the proxy's own. */
export function request(id: number, method: string, params?: unknown): Bytes {
  return encode(
    JSON.stringify(
      params === undefined
        ? { jsonrpc: "2.0", id, method }
        : { jsonrpc: "2.0", id, method, params },
    ),
  );
}

/** A notification of the proxy's own. */
export function notification(method: string, params?: unknown): Bytes {
  return encode(
    JSON.stringify(
      params === undefined
        ? { jsonrpc: "2.0", method }
        : { jsonrpc: "2.0", method, params },
    ),
  );
}
