import { CODE } from "../mcp/eras.ts";
import { type Bytes, FrameError, readFrame } from "../mcp/frame.ts";
import { errorResponse } from "../mcp/message.ts";
import { oneLine } from "../mcp/splice.ts";

/**
 * A message on one line, as events and pipes need it. A response that cannot be put on one, because it is no JSON,
 * becomes an error, for somebody waits for it; any other message is refused with a {@linkcode FrameError}.
 */
export function answerable(bytes: Bytes): Bytes {
  try {
    return oneLine(bytes);
  } catch (cause) {
    if (!(cause instanceof FrameError)) throw cause;
    const { id, kind } = readFrame(bytes);
    if (kind !== "result" && kind !== "error") throw cause;
    const text = `The server's answer is no JSON: ${cause.message}`;
    return errorResponse(id, CODE.internal, text);
  }
}
