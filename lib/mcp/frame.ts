/**
 * Frames: JSON-RPC messages as the bytes that they are. One pass over the bytes notes where the few parts lie that a
 * proxy has to look at or exchange; everything else is never decoded.
 *
 * @module
 */
import {
  BACKSLASH,
  begin,
  type Bytes,
  fail,
  FrameError,
  input,
  is,
  OPEN,
  position,
  QUOTE,
  skipInto,
  skipObject,
  skipValue,
  space,
} from "./scan.ts";
import { raw } from "./splice.ts";

export { type Bytes, FrameError } from "./scan.ts";

/** What a frame is (JSON-RPC 2.0, sections 4 and 5). */
export type FrameKind = "request" | "notification" | "result" | "error";

const decoder = new TextDecoder();

/**
 * One JSON-RPC message: its bytes, and where the parts lie that a proxy needs. Each part is the JSON text of a value,
 * from `…At` up to, and without, `…End`; both are -1 where it is absent.
 */
export class Frame {
  /** The message, whole, without a line break. */
  readonly bytes: Bytes;
  /** What it is. */
  kind: FrameKind = "notification";
  /** `jsonrpc` is `"2.0"`. */
  versioned: boolean = false;
  /** `id`. */
  idAt: number = -1;
  /** End of `id`. */
  idEnd: number = -1;
  /** `method`, with its quotes. */
  methodAt: number = -1;
  /** End of `method`. */
  methodEnd: number = -1;
  /** `params`. */
  paramsAt: number = -1;
  /** End of `params`. */
  paramsEnd: number = -1;
  /** `params._meta`. */
  metaAt: number = -1;
  /** End of `params._meta`. */
  metaEnd: number = -1;
  /** `params._meta.progressToken`: the token that a request asks for progress with. */
  tokenAt: number = -1;
  /** End of the token. */
  tokenEnd: number = -1;
  /** `params.progressToken`: the token that a progress notification is about. */
  progressAt: number = -1;
  /** End of the progress notification's token. */
  progressEnd: number = -1;
  /** `params.requestId` of a cancellation. */
  requestIdAt: number = -1;
  /** End of `params.requestId`. */
  requestIdEnd: number = -1;
  /** `params.name`. */
  nameAt: number = -1;
  /** End of the name. */
  nameEnd: number = -1;
  /** `params.uri`. */
  uriAt: number = -1;
  /** End of the URI. */
  uriEnd: number = -1;
  /** `params.taskId`. */
  taskIdAt: number = -1;
  /** End of the task's id. */
  taskIdEnd: number = -1;
  /** `io.modelcontextprotocol/protocolVersion` in `params._meta`: the mark of the modern era. */
  versionAt: number = -1;
  /** End of the envelope's version. */
  versionEnd: number = -1;
  /** `io.modelcontextprotocol/subscriptionId` in `_meta` of params or result. */
  subscriptionAt: number = -1;
  /** End of the subscription id. */
  subscriptionEnd: number = -1;
  /**
   * The request asks for a task (`params.task`; 2025-11-25), or the result is one (`result.task`, or `resultType` is
   * `"task"`; 2026-07-28): it goes on after its response.
   */
  tasked: boolean = false;
  /** `result`. */
  resultAt: number = -1;
  /** End of `result`. */
  resultEnd: number = -1;
  /** `error.code`, or 0 where the frame is no error. */
  errorCode: number = 0;

  #method: string | undefined;

  /** Made by {@linkcode readFrame}. */
  constructor(bytes: Bytes) {
    this.bytes = bytes;
  }

  /** The id as JSON text, byte for byte (one char a byte), or `""` where there is none. */
  get id(): string {
    return this.idAt < 0 ? "" : raw(this.bytes, this.idAt, this.idEnd);
  }

  /** The method, or `""` where there is none. */
  get method(): string {
    return this.#method ??= this.methodAt < 0
      ? ""
      : this.string(this.methodAt, this.methodEnd);
  }

  /** Reads the JSON value of a span; `undefined` where the span is absent. */
  value(at: number, end: number): unknown {
    return at < 0
      ? undefined
      : JSON.parse(decoder.decode(this.bytes.subarray(at, end)));
  }

  /** Reads a span that holds a JSON string; any other value gives `""`. */
  string(at: number, end: number): string {
    if (at < 0 || this.bytes[at] !== QUOTE) return "";
    const inner = this.bytes.subarray(at + 1, end - 1);
    for (const c of inner) {
      if (c === BACKSLASH || c > 126) {
        return JSON.parse(decoder.decode(this.bytes.subarray(at, end)));
      }
    }
    return raw(this.bytes, at + 1, end - 1);
  }
}

// The frame that is being read.
let f: Frame;

function twice(at: number, name: string): void {
  if (at >= 0) {
    throw new FrameError(-32600, `Invalid request: "${name}" is given twice`);
  }
}

function message(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  if (is(keyAt, keyEnd, "id")) {
    twice(f.idAt, "id");
    skipValue(depth);
    f.idAt = at;
    f.idEnd = position;
  } else if (is(keyAt, keyEnd, "method")) {
    twice(f.methodAt, "method");
    skipValue(depth);
    f.methodAt = at;
    f.methodEnd = position;
  } else if (is(keyAt, keyEnd, "params")) {
    twice(f.paramsAt, "params");
    skipInto(params, depth);
    f.paramsAt = at;
    f.paramsEnd = position;
  } else if (is(keyAt, keyEnd, "result")) {
    twice(f.resultAt, "result");
    skipInto(result, depth);
    f.resultAt = at;
    f.resultEnd = position;
    f.kind = "result";
  } else if (is(keyAt, keyEnd, "error")) {
    skipInto(error, depth);
    f.kind = "error";
  } else {
    skipValue(depth);
    if (is(keyAt, keyEnd, "jsonrpc")) f.versioned = is(at, position, "2.0");
  }
}

function params(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  if (is(keyAt, keyEnd, "_meta")) {
    twice(f.metaAt, "params._meta");
    skipInto(meta, depth);
    f.metaAt = at;
    f.metaEnd = position;
    return;
  }
  skipValue(depth);
  if (is(keyAt, keyEnd, "name")) {
    f.nameAt = at;
    f.nameEnd = position;
  } else if (is(keyAt, keyEnd, "uri")) {
    f.uriAt = at;
    f.uriEnd = position;
  } else if (is(keyAt, keyEnd, "taskId")) {
    f.taskIdAt = at;
    f.taskIdEnd = position;
  } else if (is(keyAt, keyEnd, "requestId")) {
    f.requestIdAt = at;
    f.requestIdEnd = position;
  } else if (is(keyAt, keyEnd, "progressToken")) {
    f.progressAt = at;
    f.progressEnd = position;
  } else if (is(keyAt, keyEnd, "task")) f.tasked = true;
}

function meta(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  skipValue(depth);
  if (is(keyAt, keyEnd, "progressToken")) {
    f.tokenAt = at;
    f.tokenEnd = position;
  } else if (is(keyAt, keyEnd, "io.modelcontextprotocol/protocolVersion")) {
    f.versionAt = at;
    f.versionEnd = position;
  } else if (is(keyAt, keyEnd, "io.modelcontextprotocol/subscriptionId")) {
    f.subscriptionAt = at;
    f.subscriptionEnd = position;
  }
}

function result(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  if (is(keyAt, keyEnd, "_meta")) return skipInto(resultMeta, depth);
  skipValue(depth);
  if (is(keyAt, keyEnd, "task")) f.tasked = true;
  else if (is(keyAt, keyEnd, "resultType")) f.tasked = is(at, position, "task");
}

function resultMeta(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  skipValue(depth);
  if (is(keyAt, keyEnd, "io.modelcontextprotocol/subscriptionId")) {
    f.subscriptionAt = at;
    f.subscriptionEnd = position;
  }
}

function error(keyAt: number, keyEnd: number, depth: number): void {
  const at = position;
  skipValue(depth);
  if (is(keyAt, keyEnd, "code")) {
    f.errorCode = Math.trunc(Number(raw(input, at, position))) || 0;
  }
}

const isId = (c: number | undefined) =>
  c === QUOTE || c === 45 || (c !== undefined && c >= 48 && c <= 57);

/**
 * Reads one message. The grammar is checked to the last byte, `id` must be a string or a number, `params` an object
 * (MCP, basic: messages); whether method and parameters make sense is the receiver's business. Throws a
 * {@linkcode FrameError}.
 */
export function readFrame(bytes: Bytes): Frame {
  begin(bytes, 0);
  f = new Frame(bytes);
  if (space() !== OPEN) {
    skipValue(0);
    throw new FrameError(
      -32600,
      "Invalid request: a message must be an object",
    );
  }
  skipObject(message, 0);
  if (space() >= 0) fail("something after the message");
  const id = f.idAt < 0 || !isId(input[f.idAt]) ? undefined : f.id;
  const invalid = (what: string) =>
    new FrameError(-32600, `Invalid request: ${what}`, id);
  if (f.methodAt >= 0) {
    if (f.kind !== "notification") {
      throw invalid("a message cannot have a method and a result or error");
    }
    if (input[f.methodAt] !== QUOTE) throw invalid("method must be a string");
    if (f.paramsAt >= 0 && input[f.paramsAt] !== OPEN) {
      throw invalid("params must be an object");
    }
    if (f.idAt < 0) return f;
    if (id === undefined) throw invalid("id must be a string or a number");
    f.kind = "request";
  } else if (f.kind === "notification") {
    throw invalid("a message needs a method, a result or an error");
  } else if (f.kind === "error" && f.resultAt >= 0) {
    throw invalid("a message cannot have a result and an error");
  }
  return f;
}
