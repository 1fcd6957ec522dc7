import * as std from "deno-std/jsonc/parse.js";

/** What JSON can hold. */
export type JsonValue =
  | { [key: string]: JsonValue | undefined }
  | JsonValue[]
  | string
  | number
  | boolean
  | null;

/** Reads JSON with comments and trailing commas, or throws a `SyntaxError`. */
export const parse: (text: string) => JsonValue = std.parse;
