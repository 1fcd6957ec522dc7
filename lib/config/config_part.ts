/**
 * A part of a config, wherever in the file its values stand.
 *
 * @module
 */

import type { z } from "zod";
import { isObject, type JsonValue } from "./config_file.ts";
import { expand, type Lookup } from "./expand.ts";
import { type At, type Findings, type KeyTree, withKnownKeys } from "./keys.ts";
import { describeIssue } from "./server_entry.ts";

/** A part in the new form, and where its values stand in the file. */
export interface Part {
  /** What was found there. */
  readonly value: JsonValue | undefined;
  /** The path that a value of it has in the file. */
  readonly at: At;
}

/** What a part holds, with its variables put in; `undefined` where something is wrong with it, as `found` then says. */
export function readPart<S extends z.ZodType>(
  part: Part,
  schema: S,
  keys: KeyTree,
  env: Lookup | undefined,
  found: Findings,
): z.output<S> | undefined {
  const { at } = part;
  const known = withKnownKeys(part.value, keys, at, found.warnings);
  const unset = new Set<string>();
  const value = env ? expandAll(known, env, part, [], unset, found) : known;
  const result = schema.safeParse(value);
  if (result.success) return unset.size === 0 ? result.data : undefined;
  for (const issue of result.error.issues) {
    // Without its variable, a value is wrong in other ways as well.
    if (unset.has(at(...issue.path))) continue;
    found.problems.push(describeIssue(issue, value, at));
  }
  return undefined;
}

function expandAll(
  value: JsonValue | undefined,
  env: Lookup,
  part: Part,
  path: readonly PropertyKey[],
  unset: Set<string>,
  found: Findings,
): JsonValue | undefined {
  if (typeof value === "string") {
    const { text, problems } = expand(value, env);
    const at = part.at(...path);
    if (problems.length > 0) unset.add(at);
    found.problems.push(...problems.map((problem) => `${at} ${problem}`));
    return text;
  }
  if (Array.isArray(value)) {
    return value.map((one, index) =>
      expandAll(one, env, part, [...path, index], unset, found) ?? null
    );
  }
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [
      key,
      expandAll(one, env, part, [...path, key], unset, found),
    ]),
  );
}
