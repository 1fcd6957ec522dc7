/**
 * The names of the servers of one config, which stand in the paths of their routes.
 *
 * @module
 */

import type { Part } from "./config_part.ts";
import type { Findings } from "./keys.ts";
import { nameProblem } from "./server_spec.ts";

/** The first parts of paths that are the proxy's own. */
const RESERVED: readonly string[] = [
  "mcp",
  "sse",
  "message",
  "messages",
  "status",
  "metrics",
  "healthz",
  "readyz",
  "_healthz",
  "_readyz",
];

const ROUTE = /\/(?:mcp|sse|messages?)$/;

/** Says in `found` which names cannot be, or had better not be. */
export function checkNames(
  parts: ReadonlyMap<string, Part>,
  found: Findings,
): void {
  const lower = new Map<string, string>();
  for (const [name, { at }] of parts) {
    const wrong = nameProblem(name);
    if (wrong) found.problems.push(`The name of ${at()} ${wrong}`);
    if (RESERVED.includes(name)) {
      found.problems.push(
        `The name of ${at()} is that of the proxy's own route /${name}: choose another one`,
      );
    }
    const parent = name.replace(ROUTE, "");
    if (parent !== name && parts.has(parent)) {
      found.problems.push(
        `The name of ${at()} is that of a route of ${
          parts.get(parent)?.at()
        }: choose another one`,
      );
    }
    const twin = lower.get(name.toLowerCase());
    if (twin !== undefined) {
      found.warnings.push(
        `${at()} and ${
          parts.get(twin)?.at()
        } differ in letter case only, which people and programs mix up`,
      );
    }
    lower.set(name.toLowerCase(), name);
  }
}
