/**
 * The scanner: one pass over JSON text as bytes, which checks the grammar to the last byte and decodes nothing. Strings
 * are passed over as fast as memory is read; that they hold no raw control characters is left to the receiver.
 *
 * @module
 */

/** Bytes that own their buffer, as sockets and pipes take them. */
export type Bytes = Uint8Array<ArrayBuffer>;

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

/** Looks at a member of an object, and passes over its value: `keyAt` and `keyEnd` are of its name, quotes included. */
export type Visit = (keyAt: number, keyEnd: number, depth: number) => void;

/** Characters that JSON is made of. */
export const QUOTE = 34,
  BACKSLASH = 92,
  OPEN = 123,
  CLOSE = 125,
  LIST = 91,
  LIST_END = 93,
  COLON = 58,
  COMMA = 44;

const decoder = new TextDecoder();

/** What is scanned. The scanner never yields in the middle of a message, so one state serves all. */
export let input: Uint8Array = new Uint8Array();
/** How far the scanner has come. */
export let position = 0;
// Whether a string with an escape has been passed since this was set to false.
let escaped = false;

/** Begins with other bytes. */
export function begin(bytes: Uint8Array, at: number): void {
  input = bytes;
  position = at;
}

/** Passes over one byte. */
export function step(): void {
  position++;
}

/** Ends the scan: the bytes are no JSON. */
export function fail(what: string): never {
  throw new FrameError(-32700, `Parse error: ${what} at byte ${position}`);
}

/** Passes over white space; gives the byte that follows, or -1 at the end. */
export function space(): number {
  for (;;) {
    const c = input[position];
    if (c === 32 || c === 10 || c === 13 || c === 9) position++;
    else return c ?? -1;
  }
}

/** Passes over a string. */
export function skipString(): void {
  let i = position + 1;
  // Most strings are short, and a call of indexOf costs more than a look at their bytes.
  for (const near = i + 48; i < near; i++) {
    const c = input[i];
    if (c === QUOTE) {
      position = i + 1;
      return;
    }
    if (c === BACKSLASH) {
      escaped = true;
      break;
    }
    if (c === undefined) fail("a string without an end");
  }
  for (;;) {
    const q = input.indexOf(QUOTE, i);
    if (q < 0) fail("a string without an end");
    let k = q;
    while (k > i && input[k - 1] === BACKSLASH) k--;
    i = q + 1;
    if (((q - k) & 1) === 0) {
      position = i;
      return;
    }
  }
}

function digits(): void {
  const from = position;
  for (
    let c = input[position];
    c !== undefined && c >= 48 && c <= 57;
    c = input[++position]
  );
  if (position === from) fail("a number without digits");
}

function skipNumber(): void {
  if (input[position] === 45) position++;
  if (input[position] === 48) position++;
  else digits();
  if (input[position] === 46) {
    position++;
    digits();
  }
  if (input[position] === 101 || input[position] === 69) {
    position++;
    if (input[position] === 43 || input[position] === 45) position++;
    digits();
  }
}

function skipWord(word: string): void {
  for (let i = 0; i < word.length; i++) {
    if (input[position + i] !== word.charCodeAt(i)) fail("an unknown word");
  }
  position += word.length;
}

/** Passes over a value. */
export function skipValue(depth: number): void {
  const c = space();
  if (c === QUOTE) return skipString();
  if (c === OPEN) return skipObject(undefined, depth);
  if (c === LIST) {
    if (depth > MAX_DEPTH) fail(`nesting of more than ${MAX_DEPTH} levels`);
    position++;
    if (space() === LIST_END) {
      position++;
      return;
    }
    for (;;) {
      skipValue(depth + 1);
      const d = space();
      position++;
      if (d === LIST_END) return;
      if (d !== COMMA) {
        position--;
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

/** Whether the string from `at` to `end` is this word, written without escapes. */
export function is(at: number, end: number, word: string): boolean {
  if (end - at !== word.length + 2) return false;
  for (let i = 0; i < word.length; i++) {
    if (input[at + 1 + i] !== word.charCodeAt(i)) return false;
  }
  return true;
}

/** Passes over an object whose members `visit` is to see; none of them where it is left out. */
export function skipObject(visit: Visit | undefined, depth: number): void {
  if (depth > MAX_DEPTH) fail(`nesting of more than ${MAX_DEPTH} levels`);
  position++;
  if (space() === CLOSE) {
    position++;
    return;
  }
  for (;;) {
    if (space() !== QUOTE) fail("a member without a name");
    const keyAt = position;
    escaped = false;
    skipString();
    const keyEnd = position;
    if (escaped && visit) refuseDisguise(keyAt, keyEnd);
    if (space() !== COLON) fail("a member without a colon");
    position++;
    if (visit) {
      space();
      visit(keyAt, keyEnd, depth + 1);
    } else skipValue(depth + 1);
    const c = space();
    position++;
    if (c === CLOSE) return;
    if (c !== COMMA) {
      position--;
      fail("an object without comma or end");
    }
  }
}

/** Passes over an object whose members `visit` is to see, or over any other value. */
export function skipInto(visit: Visit, depth: number): void {
  if (space() === OPEN) skipObject(visit, depth);
  else skipValue(depth);
}

// Names that somebody looks at.
const NAMES = [
  "id",
  "method",
  "params",
  "result",
  "error",
  "_meta",
  "name",
  "uri",
  "taskId",
  "requestId",
  "progressToken",
  "task",
  "io.modelcontextprotocol/protocolVersion",
  "io.modelcontextprotocol/subscriptionId",
];

// With escapes in its name, a receiver would read an id or a token where this scanner has seen none.
function refuseDisguise(at: number, end: number): void {
  let name: unknown;
  try {
    name = JSON.parse(decoder.decode(input.subarray(at, end)));
  } catch {
    fail("a name with a bad escape");
  }
  if (typeof name !== "string" || !NAMES.includes(name)) return;
  throw new FrameError(
    -32600,
    `Invalid request: "${name}" must be written without escapes`,
  );
}
