/**
 * Frames: JSON-RPC messages as the bytes that they are. One pass over the bytes checks the grammar and notes where the
 * few parts lie that a proxy has to look at or exchange; everything else is never decoded.
 *
 * @module
 */

/** Bytes that own their buffer, as sockets and pipes take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What a frame is (JSON-RPC 2.0, sections 4 and 5). */
export type FrameKind = "request" | "notification" | "result" | "error";

/** Nesting beyond this is refused: no MCP message needs it, and a receiver's recursion may end before. */
const MAX_DEPTH = 512;

/** Bytes that are no JSON-RPC message; `code` is the JSON-RPC error code to answer with. */
export class FrameError extends Error {
  /** -32700 where the bytes are no JSON, -32600 where they are no message. */
  readonly code: -32700 | -32600;
  /** The id that could be read all the same, as JSON text, or `undefined`. */
  readonly id: string | undefined;

  /** Says what is wrong with the bytes, and which id they carried. */
  constructor(code: -32700 | -32600, message: string, id?: string) {
    super(message);
    this.name = "FrameError";
    this.code = code;
    this.id = id;
  }
}

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
  /** `params.task` is there: the request may go on after its response (2025-11-25, tasks). */
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

const decoder = new TextDecoder();
const QUOTE = 34,
  BACKSLASH = 92,
  OPEN = 123,
  CLOSE = 125,
  LIST = 91,
  LIST_END = 93,
  COLON = 58,
  COMMA = 44;

/** The bytes from `at` to `end`, one char a byte, so that {@linkcode exchange} can put them back as they were. */
export function raw(bytes: Uint8Array, at: number, end: number): string {
  let text = "";
  for (let i = at; i < end; i++) text += String.fromCharCode(bytes[i] ?? 0);
  return text;
}

// The scanner's state. It never yields in the middle of a frame, so one set serves all.
let b: Uint8Array = new Uint8Array();
let p = 0;
let frame: Frame;

function fail(what: string): never {
  throw new FrameError(-32700, `Parse error: ${what} at byte ${p}`);
}

function space(): number {
  for (;;) {
    const c = b[p];
    if (c === 32 || c === 10 || c === 13 || c === 9) p++;
    else return c ?? -1;
  }
}

function skipString(): void {
  let i = p + 1;
  // Most strings are short, and a call of indexOf costs more than a look at their bytes.
  for (const near = i + 48; i < near; i++) {
    const c = b[i];
    if (c === QUOTE) {
      p = i + 1;
      return;
    }
    if (c === BACKSLASH) break;
    if (c === undefined) fail("a string without an end");
  }
  for (;;) {
    const q = b.indexOf(QUOTE, i);
    if (q < 0) fail("a string without an end");
    let k = q;
    while (k > i && b[k - 1] === BACKSLASH) k--;
    i = q + 1;
    if (((q - k) & 1) === 0) {
      p = i;
      return;
    }
  }
}

function digits(): void {
  const from = p;
  for (let c = b[p]; c !== undefined && c >= 48 && c <= 57; c = b[++p]);
  if (p === from) fail("a number without digits");
}

function skipNumber(): void {
  if (b[p] === 45) p++;
  if (b[p] === 48) p++;
  else digits();
  if (b[p] === 46) {
    p++;
    digits();
  }
  if (b[p] === 101 || b[p] === 69) {
    p++;
    if (b[p] === 43 || b[p] === 45) p++;
    digits();
  }
}

function skipWord(word: string): void {
  for (let i = 0; i < word.length; i++) {
    if (b[p + i] !== word.charCodeAt(i)) fail("an unknown word");
  }
  p += word.length;
}

function skipValue(depth: number): void {
  const c = space();
  if (c === QUOTE) return skipString();
  if (c === OPEN) return skipObject(ELSEWHERE, depth);
  if (c === LIST) {
    if (depth > MAX_DEPTH) fail(`nesting of more than ${MAX_DEPTH} levels`);
    p++;
    if (space() === LIST_END) {
      p++;
      return;
    }
    for (;;) {
      skipValue(depth + 1);
      const d = space();
      p++;
      if (d === LIST_END) return;
      if (d !== COMMA) {
        p--;
        fail("a list without comma or end");
      }
    }
  }
  if (c === 116) return skipWord("true");
  if (c === 102) return skipWord("false");
  if (c === 110) return skipWord("null");
  if (c === 45 || (c >= 48 && c <= 57)) return skipNumber();
  fail(c < 0 ? "the end of the input" : "an unexpected character");
}

// Where in a message the scanner stands, as far as it matters which members an object has.
const ELSEWHERE = 0,
  TOP = 1,
  PARAMS = 2,
  META = 3,
  RESULT = 4,
  RESULT_META = 5,
  ERROR = 6;

function is(at: number, end: number, word: string): boolean {
  if (end - at !== word.length + 2) return false;
  for (let i = 0; i < word.length; i++) {
    if (b[at + 1 + i] !== word.charCodeAt(i)) return false;
  }
  return true;
}

function skipObject(place: number, depth: number): void {
  if (depth > MAX_DEPTH) fail(`nesting of more than ${MAX_DEPTH} levels`);
  p++;
  if (space() === CLOSE) {
    p++;
    return;
  }
  for (;;) {
    if (space() !== QUOTE) fail("a member without a name");
    const keyAt = p;
    skipString();
    const keyEnd = p;
    if (space() !== COLON) fail("a member without a colon");
    p++;
    if (place === ELSEWHERE) skipValue(depth + 1);
    else member(place, keyAt, keyEnd, depth + 1);
    const c = space();
    p++;
    if (c === CLOSE) return;
    if (c !== COMMA) {
      p--;
      fail("an object without comma or end");
    }
  }
}

function within(place: number, depth: number): void {
  if (space() === OPEN) skipObject(place, depth);
  else skipValue(depth);
}

function twice(at: number, name: string): void {
  if (at >= 0) {
    throw new FrameError(-32600, `Invalid request: "${name}" is given twice`);
  }
}

function member(
  place: number,
  keyAt: number,
  keyEnd: number,
  depth: number,
): void {
  space();
  const f = frame, at = p;
  switch (place) {
    case TOP:
      if (is(keyAt, keyEnd, "id")) {
        twice(f.idAt, "id");
        skipValue(depth);
        f.idAt = at;
        f.idEnd = p;
      } else if (is(keyAt, keyEnd, "method")) {
        twice(f.methodAt, "method");
        skipValue(depth);
        f.methodAt = at;
        f.methodEnd = p;
      } else if (is(keyAt, keyEnd, "params")) {
        twice(f.paramsAt, "params");
        within(PARAMS, depth);
        f.paramsAt = at;
        f.paramsEnd = p;
      } else if (is(keyAt, keyEnd, "result")) {
        twice(f.resultAt, "result");
        within(RESULT, depth);
        f.resultAt = at;
        f.resultEnd = p;
        f.kind = "result";
      } else if (is(keyAt, keyEnd, "error")) {
        within(ERROR, depth);
        f.kind = "error";
      } else {
        skipValue(depth);
        if (is(keyAt, keyEnd, "jsonrpc")) f.versioned = is(at, p, "2.0");
      }
      return;
    case PARAMS:
      if (is(keyAt, keyEnd, "_meta")) {
        twice(f.metaAt, "params._meta");
        within(META, depth);
        f.metaAt = at;
        f.metaEnd = p;
        return;
      }
      skipValue(depth);
      if (is(keyAt, keyEnd, "name")) {
        f.nameAt = at;
        f.nameEnd = p;
      } else if (is(keyAt, keyEnd, "uri")) {
        f.uriAt = at;
        f.uriEnd = p;
      } else if (is(keyAt, keyEnd, "taskId")) {
        f.taskIdAt = at;
        f.taskIdEnd = p;
      } else if (is(keyAt, keyEnd, "requestId")) {
        f.requestIdAt = at;
        f.requestIdEnd = p;
      } else if (is(keyAt, keyEnd, "progressToken")) {
        f.progressAt = at;
        f.progressEnd = p;
      } else if (is(keyAt, keyEnd, "task")) f.tasked = true;
      return;
    case META:
      skipValue(depth);
      if (is(keyAt, keyEnd, "progressToken")) {
        f.tokenAt = at;
        f.tokenEnd = p;
      } else if (is(keyAt, keyEnd, "io.modelcontextprotocol/protocolVersion")) {
        f.versionAt = at;
        f.versionEnd = p;
      } else if (is(keyAt, keyEnd, "io.modelcontextprotocol/subscriptionId")) {
        f.subscriptionAt = at;
        f.subscriptionEnd = p;
      }
      return;
    case RESULT:
      if (is(keyAt, keyEnd, "_meta")) within(RESULT_META, depth);
      else skipValue(depth);
      return;
    case RESULT_META:
      skipValue(depth);
      if (is(keyAt, keyEnd, "io.modelcontextprotocol/subscriptionId")) {
        f.subscriptionAt = at;
        f.subscriptionEnd = p;
      }
      return;
    case ERROR:
      skipValue(depth);
      if (is(keyAt, keyEnd, "code")) {
        f.errorCode = Math.trunc(Number(raw(b, at, p))) || 0;
      }
      return;
    default:
      skipValue(depth);
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
  b = bytes;
  p = 0;
  const f = frame = new Frame(bytes);
  if (space() !== OPEN) {
    skipValue(0);
    throw new FrameError(
      -32600,
      "Invalid request: a message must be an object",
    );
  }
  skipObject(TOP, 0);
  if (space() >= 0) fail("something after the message");
  const id = f.idAt < 0 || !isId(b[f.idAt]) ? undefined : f.id;
  const invalid = (what: string) =>
    new FrameError(-32600, `Invalid request: ${what}`, id);
  if (f.methodAt >= 0) {
    if (f.kind !== "notification") {
      throw invalid("a message cannot have a method and a result or error");
    }
    if (b[f.methodAt] !== QUOTE) throw invalid("method must be a string");
    if (f.paramsAt >= 0 && b[f.paramsAt] !== OPEN) {
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

/** Whether the bytes begin a JSON array: a batch of messages (MCP 2025-03-26 only). */
export function isBatch(bytes: Bytes): boolean {
  b = bytes;
  p = 0;
  return space() === LIST;
}

/** The members of a JSON array of messages, each as its own bytes. Throws a {@linkcode FrameError}. */
export function readBatch(bytes: Bytes): Bytes[] {
  b = bytes;
  p = 0;
  const parts: Bytes[] = [];
  space();
  p++;
  if (space() === LIST_END) {
    throw new FrameError(-32600, "Invalid request: a batch cannot be empty");
  }
  for (;;) {
    space();
    const at = p;
    skipValue(1);
    parts.push(bytes.subarray(at, p));
    const c = space();
    p++;
    if (c === LIST_END) break;
    if (c !== COMMA) fail("a batch without comma or end");
  }
  if (space() >= 0) fail("something after the batch");
  return parts;
}

/**
 * The message on one line, as the stdio transport needs it. Line breaks can only be white space or an error: raw ones
 * inside a string are no JSON. Throws a {@linkcode FrameError}.
 */
export function oneLine(bytes: Bytes): Bytes {
  if (bytes.indexOf(10) < 0 && bytes.indexOf(13) < 0) return bytes;
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
