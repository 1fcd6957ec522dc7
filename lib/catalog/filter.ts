/**
 * Which tools of a server there are.
 *
 * @module
 */

import type { ToolFilter } from "../config/aggregate_server.ts";

/** A test that says of each tool name whether the server's options let it pass. */
export function toolFilter(
  options: { readonly toolFilter?: ToolFilter },
): (name: string) => boolean {
  const { toolFilter: filter } = options;
  if (!filter || filter.list.length === 0) return () => true;
  const exact = new Set(filter.list.filter((one) => !one.includes("*")));
  const patterns = filter.list.filter((one) => one.includes("*")).map((one) =>
    one.split("*")
  );
  const allow = filter.mode === "allow";
  return (name) =>
    (exact.has(name) || patterns.some((parts) => matches(name, parts))) ===
      allow;
}

// The first place where each part fits leaves most to the others, so that nothing is tried twice.
function matches(name: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (name.length < first.length + last.length) return false;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  const end = name.length - last.length;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = name.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}
