/**
 * Which command a command line means.
 *
 * @module
 */

import { anyFormerFlag } from "./former_flags.ts";
import { scan } from "./scan.ts";

/** The subcommands. */
export const COMMANDS = ["ask", "bridge", "serve", "aggregate"] as const;

/** The name of a subcommand. */
export type CommandName = typeof COMMANDS[number];

/** What a command line asks for. */
export type Dispatch =
  | { kind: "help" | "version" | "nothing" }
  | {
    kind: "command";
    name: CommandName;
    /** The words for the command, without its name. */
    args: string[];
    /** Whether the line has no subcommand and is read the way it used to be. */
    legacy: boolean;
  };

/**
 * Tells which command a command line means: the one it names, or, as before there were subcommands, `bridge` for a URL
 * (or for `SSE_URL` where there is no word at all), `aggregate` for `-config`, else `serve`.
 */
export function dispatch(
  argv: readonly string[],
  env: (name: string) => string | undefined,
): Dispatch {
  const [first] = argv;
  const name = COMMANDS.find((one) => one === first);
  if (name) {
    return { kind: "command", name, args: argv.slice(1), legacy: false };
  }
  if (first === "-h" || /^--?help$/.test(first ?? "")) return { kind: "help" };
  if (/^--?version$/.test(first ?? "")) return { kind: "version" };
  const former = formerCommand(argv, env);
  if (!former) return { kind: "nothing" };
  return { kind: "command", name: former, args: [...argv], legacy: true };
}

function formerCommand(
  argv: readonly string[],
  env: (name: string) => string | undefined,
): CommandName | undefined {
  let word: string | undefined;
  for (const token of scan(argv, anyFormerFlag)) {
    if (token.kind === "flag" && token.found.name === "config") {
      return "aggregate";
    }
    if (token.kind === "word") word = token.word;
    if (token.kind === "rest") word = token.words[0];
    if (word !== undefined) return isUrl(word) ? "bridge" : "serve";
  }
  if (env("SSE_URL")) return "bridge";
  return argv.length === 0 ? undefined : "serve";
}

/** Whether the word is an http(s) URL, in any letter case. */
export function isUrl(word: string): boolean {
  return /^https?:\/\//i.test(word);
}
