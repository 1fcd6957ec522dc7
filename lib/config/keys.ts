/**
 * The names of what a config may hold: found in any letter case, and those that nobody knows told with what was probably
 * meant.
 *
 * @module
 */

import { suggest } from "../cli/suggest.ts";
import { isObject, type JsonValue, pathText } from "./config_file.ts";

/**
 * The keys of an object. Behind each: the keys of the object that it holds, `null` where what it holds has none of its
 * own, or, for a key that changes nothing, a text that says so after its path.
 */
export interface KeyTree {
  readonly [key: string]: KeyTree | string | null;
}

/** The path of something in a value, as problems name it. */
export type At = (...path: PropertyKey[]) => string;

/** What is found while a config is read. */
export interface Findings {
  /** What makes it unusable. */
  readonly problems: string[];
  /** What is odd, but no error. */
  readonly warnings: string[];
}

/** What there is to say of each key that nobody knows. */
export function unknownKeys(
  object: Record<string, unknown>,
  known: readonly string[],
  path: readonly string[],
): string[] {
  return Object.keys(object).filter((key) => !known.includes(key)).map(
    (key) => unknownKey(pathText([...path, key]), key, known),
  );
}

function unknownKey(
  path: string,
  key: string,
  known: readonly string[],
): string {
  const near = suggest(key, known);
  return `${path} is not known and ignored` +
    (near === undefined ? "" : `; did you mean "${near}"?`);
}

/**
 * The object with its keys as the tree spells them, and without those that nobody knows, or that hold `null`. Says in
 * `warnings` what was left out. What is no object comes back as it is.
 */
export function withKnownKeys(
  value: JsonValue | undefined,
  tree: KeyTree,
  at: At,
  warnings: string[],
): JsonValue | undefined {
  if (!isObject(value)) return value;
  const known = Object.keys(tree);
  const found: Record<string, JsonValue> = {};
  for (const [written, one] of Object.entries(value)) {
    const key = spelling(written, known);
    const below = key === undefined ? undefined : tree[key];
    if (key === undefined || below === undefined) {
      const usual = known.filter((name) => typeof tree[name] !== "string");
      warnings.push(unknownKey(at(written), written, usual));
    } else if (typeof below === "string") {
      warnings.push(`${at(written)} ${below}`);
    } else if (one !== null && one !== undefined) {
      if (Object.hasOwn(found, key)) {
        warnings.push(`${at(key)} stands there twice: the last one counts`);
      }
      const inner: At = (...path) => at(key, ...path);
      const deep = below === null
        ? one
        : withKnownKeys(one, below, inner, warnings);
      if (deep !== undefined) found[key] = deep;
    }
  }
  return found;
}

/** The value under a key in any letter case; the exact one first. */
export function valueOf(
  value: JsonValue | undefined,
  key: string,
): JsonValue | undefined {
  if (!isObject(value)) return undefined;
  if (Object.hasOwn(value, key)) return value[key];
  const found = Object.keys(value).findLast((one) =>
    one.toLowerCase() === key.toLowerCase()
  );
  return found === undefined ? undefined : value[found];
}

function spelling(key: string, known: readonly string[]): string | undefined {
  if (known.includes(key)) return key;
  const lower = key.toLowerCase();
  return known.find((one) => one.toLowerCase() === lower);
}
