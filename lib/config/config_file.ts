/**
 * Config files: JSON with comments, and errors that say where and what.
 *
 * @module
 */

import { type JsonValue, parse } from "@std/jsonc/parse";

export type { JsonValue } from "@std/jsonc/parse";

/** Problems that are listed; more are counted. */
const MAX_LISTED = 50;

/** A config that cannot be used: exit code 1. */
export class ConfigError extends Error {
  /** Each thing that is wrong, as in `mcpServers.fetch.args must be a list`. */
  readonly problems: readonly string[];

  /** Names the file, or URL, and all that is wrong with it. */
  constructor(file: string, problems: readonly string[]) {
    const listed = problems.slice(0, MAX_LISTED);
    const more = problems.length - listed.length;
    if (more > 0) listed.push(`and ${more} more`);
    super(
      `Cannot read config ${JSON.stringify(file)}: ` +
        (problems.length === 1
          ? problems[0]
          : [`${problems.length} problems`, ...listed].join("\n")),
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** The text of a config file. Throws a {@link ConfigError} that says why it cannot be read. */
export async function readConfigText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    throw new ConfigError(file, [fileProblem(error)]);
  }
}

function fileProblem(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "there is no such file; check the path";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "reading it is not permitted";
  }
  if (error instanceof Deno.errors.IsADirectory) {
    return "it is a directory; name the file in it";
  }
  return error instanceof Error ? error.message : String(error);
}

/**
 * Reads JSON with comments and trailing commas, and with a byte order mark or without. Throws a {@link ConfigError} that
 * names line and column.
 */
export function parseConfig(text: string, file: string): JsonValue {
  const source = text.replace(/^\uFEFF/, "");
  if (source.trim() === "") throw new ConfigError(file, ["it is empty"]);
  try {
    return parse(source);
  } catch (error) {
    throw new ConfigError(file, [syntaxProblem(error, source)]);
  }
}

function syntaxProblem(error: unknown, source: string): string {
  const message = error instanceof Error ? error.message : String(error);
  const position = /at position (\d+)$/.exec(message)?.[1];
  if (position === undefined) {
    return "it is no JSON: it ends too early; is a bracket or a quote not closed?";
  }
  const lines = source.slice(0, Number(position)).split("\n");
  const found = source.slice(Number(position));
  // A text that is not closed runs to the end of the file, secrets and all.
  const shown = found.startsWith('"')
    ? "a text"
    : `"${/^[\w.+-]{1,20}|[^]/u.exec(found)?.[0] ?? ""}"`;
  return `it is no JSON: line ${lines.length}, column ${
    (lines.at(-1)?.length ?? 0) + 1
  }: unexpected ${shown}`;
}

/** The path of a value as it is written in problems: `mcpServers.fetch.args[0]`, `mcpServers["a b"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((before, part) => {
    if (typeof part === "number") return `${before}[${part}]`;
    const name = String(part);
    if (!/^[\w@/-]+$/.test(name)) return `${before}[${JSON.stringify(name)}]`;
    return before === "" ? name : `${before}.${name}`;
  }, "");
}

/** Whether the value is a JSON object. */
export function isObject(
  value: JsonValue | undefined,
): value is { [key: string]: JsonValue | undefined } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
