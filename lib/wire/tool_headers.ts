/**
 * What an HTTP client of the modern era has to know of a server's tools: which parameters it mirrors in headers, and
 * which tools it must not show because their annotations are invalid (MCP 2026-07-28, tools: x-mcp-header).
 *
 * @module
 */
import { log } from "../log.ts";
import { type Bytes, type Frame, readFrame } from "../mcp/frame.ts";
import {
  encodeHeader,
  type MirroredParameter,
  mirroredParameters,
  mirroredValue,
} from "../mcp/mirror.ts";

/** How many tools of one server are remembered. */
const MAX_TOOLS = 8192;

/** The tools of one server, as its `tools/list` results tell them. */
export class ToolHeaders {
  #tools: Map<string, MirroredParameter[]> = new Map();

  /** Whether a tool has been seen. */
  knows(name: string): boolean {
    return this.#tools.has(name);
  }

  /** Notes that the server has no such tool, so that it is not asked again for each call. */
  noteAbsent(name: string): void {
    this.#note(name, []);
  }

  /** Forgets all tools. */
  clear(): void {
    this.#tools.clear();
  }

  /** The headers that mirror the arguments of a `tools/call`, if any. */
  of(call: Frame): [string, string][] {
    const parameters = this.#tools.get(call.string(call.nameAt, call.nameEnd));
    if (!parameters || parameters.length === 0) return [];
    const params = call.value(call.paramsAt, call.paramsEnd) as {
      arguments?: unknown;
    };
    const headers: [string, string][] = [];
    for (const parameter of parameters) {
      const value = mirroredValue(parameter, params.arguments);
      if (value !== undefined) {
        headers.push([parameter.header, encodeHeader(value)]);
      }
    }
    return headers;
  }

  /** Learns from the result of a `tools/list`; gives it without the tools whose annotations are invalid. */
  learn(answer: Frame): { frame: Frame; nextCursor: unknown } {
    const result = answer.value(answer.resultAt, answer.resultEnd) as
      | Listing
      | undefined;
    const invalid: number[] = [];
    for (
      const [i, tool] of (Array.isArray(result?.tools) ? result.tools : [])
        .entries()
    ) {
      if (typeof tool?.name !== "string") continue;
      const parameters = mirroredParameters(tool.inputSchema);
      if (typeof parameters === "string") {
        log.warn(`Tool "${tool.name}" is left out: ${parameters}`);
        invalid.push(i);
      } else this.#note(tool.name, parameters);
    }
    const frame = invalid.length === 0
      ? answer
      : readFrame(without(answer, invalid));
    return { frame, nextCursor: result?.nextCursor };
  }

  #note(name: string, parameters: MirroredParameter[]): void {
    if (this.#tools.size >= MAX_TOOLS) this.#tools.clear();
    this.#tools.set(name, parameters);
  }
}

interface Listing {
  tools?: ({ name?: unknown; inputSchema?: unknown } | null)[];
  nextCursor?: unknown;
}

// The other tools stay as they were written, byte for byte.
function without(answer: Frame, invalid: number[]): Bytes {
  const { bytes, resultAt, resultEnd } = answer;
  const list = memberOf(bytes, resultAt, resultEnd, "tools");
  const kept = elements(bytes, list.at).filter((_, i) => !invalid.includes(i));
  const parts: Uint8Array[] = [bytes.subarray(0, list.at + 1)];
  for (const [i, part] of kept.entries()) {
    if (i > 0) parts.push(Uint8Array.of(44));
    parts.push(part);
  }
  parts.push(bytes.subarray(list.end - 1));
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Where the value that begins at `at` ends; the bytes are known to be JSON. */
function endOf(bytes: Uint8Array, at: number): number {
  let depth = 0, quoted = false;
  for (let i = at;; i++) {
    const c = bytes[i];
    if (quoted) {
      if (c === 92) i++;
      else if (c === 34) {
        quoted = false;
        if (depth === 0) return i + 1;
      }
    } else if (c === 34) quoted = true;
    else if (c === 123 || c === 91) depth++;
    else if (c === 125 || c === 93) {
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (c === 44 || c === undefined)) return i;
  }
}

function skip(bytes: Uint8Array, at: number): number {
  while (
    bytes[at] === 32 || bytes[at] === 10 || bytes[at] === 13 || bytes[at] === 9
  ) at++;
  return at;
}

function elements(bytes: Bytes, list: number): Bytes[] {
  const found: Bytes[] = [];
  for (let at = skip(bytes, list + 1); bytes[at] !== 93;) {
    const end = endOf(bytes, at);
    found.push(bytes.subarray(at, end));
    at = skip(bytes, end);
    if (bytes[at] === 44) at = skip(bytes, at + 1);
  }
  return found;
}

function memberOf(
  bytes: Bytes,
  object: number,
  end: number,
  name: string,
): { at: number; end: number } {
  let found = { at: end, end };
  for (let at = skip(bytes, object + 1); at < end && bytes[at] === 34;) {
    const keyEnd = endOf(bytes, at);
    const key: unknown = JSON.parse(
      new TextDecoder().decode(bytes.subarray(at, keyEnd)),
    );
    const value = skip(bytes, skip(bytes, keyEnd) + 1),
      valueEnd = endOf(bytes, value);
    // Of members with the same name, the last one counts, as it does for JSON.parse.
    if (key === name) found = { at: value, end: valueEnd };
    at = skip(bytes, valueEnd);
    if (bytes[at] === 44) at = skip(bytes, at + 1);
  }
  return found;
}
