import type { Identity } from "./catalog.ts";
import type { Profile } from "./profile.ts";
import type { Source } from "./source.ts";

/** What many servers can do together (legacy: `initialize`; modern: `server/discover`). */
export function mergedCapabilities(
  profiles: readonly Profile[],
  more: boolean,
): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const { capabilities } of profiles) {
    for (const [name, value] of Object.entries(capabilities)) {
      merged[name] = united(merged[name], value);
    }
  }
  // Lists change when servers come and go, whatever each of them says of its own; and one that is still to come may
  // bring what nobody has yet.
  for (const name of ["tools", "prompts", "resources"]) {
    if (more || merged[name] !== undefined) {
      merged[name] = united(merged[name], { listChanged: true });
    }
  }
  return merged;
}

function united(one: unknown, other: unknown): unknown {
  if (!isRecord(one)) return other;
  if (!isRecord(other)) return one || other;
  const both: Record<string, unknown> = { ...one };
  for (const [name, value] of Object.entries(other)) {
    both[name] = name in both ? united(both[name], value) : value;
  }
  return both;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Who answers, and what the servers want a model to know. */
export function introduction(
  identity: Identity,
  said: readonly { source: Source; profile: Profile }[],
): { serverInfo: Identity; instructions?: string } {
  const parts = said.filter(({ profile }) => profile.instructions !== "");
  const instructions = parts.map(({ source, profile }) =>
    `# ${source.name}\n\n${profile.instructions}`
  ).join("\n\n");
  return {
    serverInfo: identity,
    ...instructions === "" ? {} : { instructions },
  };
}
