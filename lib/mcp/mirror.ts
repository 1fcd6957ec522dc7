/**
 * The headers in which a modern request over HTTP mirrors parts of its body, so that intermediaries can route it (MCP
 * 2026-07-28, transports: standard headers, custom headers from tool parameters). Servers check them against the body,
 * clients make them from it.
 *
 * @module
 */
import type { Frame } from "./frame.ts";
import { raw } from "./splice.ts";

/** The value that `Mcp-Name` mirrors, or `undefined` for methods that have none. */
export function mirroredName(frame: Frame): string | undefined {
  switch (frame.method) {
    case "tools/call":
    case "prompts/get":
      return frame.string(frame.nameAt, frame.nameEnd);
    case "resources/read":
      return frame.string(frame.uriAt, frame.uriEnd);
    case "tasks/get":
    case "tasks/update":
    case "tasks/cancel":
      return frame.string(frame.taskIdAt, frame.taskIdEnd);
    default:
      return undefined;
  }
}

const PREFIX = "=?base64?", SUFFIX = "?=";
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
const BASE64 =
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** A value as a header can carry it: plain where it is visible ASCII, else in base64 between the marks. */
export function encodeHeader(value: string): string {
  if (
    PLAIN.test(value) && !(value.startsWith(PREFIX) && value.endsWith(SUFFIX))
  ) return value;
  const bytes = new TextEncoder().encode(value);
  return PREFIX + btoa(raw(bytes, 0, bytes.length)) + SUFFIX;
}

/** The value that a header carries, or `undefined` where the marks hold no base64 or no UTF-8. */
export function decodeHeader(header: string): string | undefined {
  if (!header.startsWith(PREFIX) || !header.endsWith(SUFFIX)) return header;
  const text = header.slice(PREFIX.length, -SUFFIX.length);
  if (!BASE64.test(text)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(
      Uint8Array.from(atob(text), (c) => c.charCodeAt(0)),
    );
  } catch {
    return undefined;
  }
}

/** A parameter of a tool that is mirrored in a header. */
export interface MirroredParameter {
  /** The header's name, with `Mcp-Param-`. */
  header: string;
  /** Where in `arguments` the value lies. */
  path: string[];
  /** The type that the tool gives it. */
  type: string;
}

/** Where an annotation may not stand, because its place in the arguments would not be fixed. */
const ELSEWHERE = [
  "items",
  "prefixItems",
  "contains",
  "additionalProperties",
  "unevaluatedProperties",
  "unevaluatedItems",
  "propertyNames",
  "patternProperties",
  "dependentSchemas",
  "oneOf",
  "anyOf",
  "allOf",
  "not",
  "if",
  "then",
  "else",
  "$defs",
  "definitions",
];
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const TYPES = ["string", "integer", "boolean"];

/** The mirrored parameters of a tool's input schema, or a sentence that says why its annotations are invalid. */
export function mirroredParameters(
  inputSchema: unknown,
): MirroredParameter[] | string {
  const found: MirroredParameter[] = [];
  const visit = (schema: unknown, path: string[]): string | undefined => {
    if (!isRecord(schema)) return undefined;
    const name = schema["x-mcp-header"];
    if (name !== undefined) {
      if (path.length === 0 || typeof name !== "string" || !TOKEN.test(name)) {
        return `"${name}" is no name of a header`;
      }
      if (
        typeof schema["type"] !== "string" || !TYPES.includes(schema["type"])
      ) {
        return `${
          path.join(".")
        } must be a string, an integer or a boolean to have an x-mcp-header`;
      }
      const header = `Mcp-Param-${name}`;
      if (
        found.some((other) =>
          other.header.toLowerCase() === header.toLowerCase()
        )
      ) return `"${name}" is given twice`;
      found.push({ header, path, type: schema["type"] });
    }
    if (isRecord(schema["properties"])) {
      for (const [key, child] of Object.entries(schema["properties"])) {
        const fault = visit(child, [...path, key]);
        if (fault !== undefined) return fault;
      }
    }
    const lost = ELSEWHERE.find((keyword) =>
      schema[keyword] !== undefined && annotated(schema[keyword])
    );
    return lost === undefined
      ? undefined
      : `an x-mcp-header below "${lost}" has no fixed place`;
  };
  return visit(inputSchema, []) ?? found;
}

/** The header that mirrors a value, or `undefined` where there is none to send. */
export function mirroredValue(
  parameter: MirroredParameter,
  args: unknown,
): string | undefined {
  let value = args;
  for (const key of parameter.path) {
    value = isRecord(value) ? value[key] : undefined;
  }
  if (typeof value === "string") return value;
  if (
    typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value))
  ) return String(value);
  return undefined;
}

/** Whether a header says what the body says; integers are compared as numbers. */
export function mirrors(header: string, value: string, type: string): boolean {
  const decoded = decodeHeader(header);
  if (decoded === undefined) return false;
  return decoded === value ||
    (type === "integer" && /^-?\d+(\.\d+)?$/.test(decoded) &&
      Number(decoded) === Number(value));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function annotated(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if ("x-mcp-header" in value) return true;
  return Object.values(value).some(annotated);
}
