/**
 * Command lines that cannot be run, and those that only ask for something to read.
 *
 * @module
 */

/** What a {@link UsageError} says beside its message. */
export interface UsageHints {
  /** What was probably meant, as it would be written. */
  suggestion?: string | undefined;
  /** The usage line of the command. */
  usage?: string | undefined;
  /** Whether the whole help is shown, for a command line with nothing to run. */
  help?: boolean | undefined;
}

/** The command line is wrong: exit code 2. */
export class UsageError extends Error {
  /** What else there is to say. */
  readonly hints: UsageHints;

  /** Says what is wrong with the command line, and what would be right. */
  constructor(message: string, hints: UsageHints = {}) {
    super(message);
    this.name = "UsageError";
    this.hints = hints;
  }
}

/** `--help` or `--version` stood among the flags: thrown by the parser, answered on stdout with exit code 0. */
export class Inquiry extends Error {
  /** What was asked for. */
  readonly about: "help" | "version";

  /** Says what was asked for. */
  constructor(about: "help" | "version") {
    super(about);
    this.name = "Inquiry";
    this.about = about;
  }
}

/** Exit codes of every command; 130 and 143 only where a second signal cuts the shutdown short. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** A usage error as stderr shows it: up to three lines. */
export function describeUsageError(error: UsageError): string {
  const { suggestion, usage } = error.hints;
  let text = `mcp-proxy: ${error.message}`;
  if (suggestion !== undefined) text += `\nDid you mean ${suggestion}?`;
  if (usage !== undefined) text += `\nUsage: ${usage}`;
  return text;
}
