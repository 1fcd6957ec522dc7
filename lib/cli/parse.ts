/**
 * From the words of a command line to the values of a flag table.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { hide, log } from "../log.ts";
import { formerFlag } from "./former_flags.ts";
import {
  BadValue,
  type FlagTable,
  PAIR_SEPARATOR,
  type Values,
} from "./flags.ts";
import { type Find, type Found, scan, type Token } from "./scan.ts";
import { suggest } from "./suggest.ts";
import { Inquiry, UsageError } from "./usage.ts";
import type { World } from "./world.ts";

/** A command as its command line and its help need it. */
export interface Usage<F extends FlagTable = FlagTable> {
  /** How it is called: `mcp-proxy bridge [flags] URL`. */
  readonly line: string;
  /** What it does, in a few lines. */
  readonly about: string;
  /** Its flags; `--help` and `--version` need no entry. */
  readonly flags: F;
  /** Two command lines, or more, that work. */
  readonly examples: readonly string[];
  /** What else the help says, after the flags. */
  readonly notes?: string;
  /** Whether the first word that is no flag begins a command, so that all that follows is the command's own. */
  readonly child?: boolean;
  /** Whether `-config` is another spelling of `--config`. */
  readonly singleDash?: boolean;
}

/** What a command line says. */
export interface Parsed<F extends FlagTable> {
  /** The value of each flag, given or not. */
  readonly flags: Values<F>;
  /** The words that are no flags, in order, those after `--` included: a URL, or a command and its arguments. */
  readonly words: string[];
}

/**
 * Reads a command line. In the old form (`world.legacy`) flags may also stand after the first word, unique beginnings
 * of their names will do, and flags of the other mode are ignored with a warning. Throws a `UsageError` for an unknown
 * flag, a missing or an unusable value; an `Inquiry` for `--help` and `--version`.
 */
export function parseFlags<F extends FlagTable>(
  usage: Usage<F>,
  args: readonly string[],
  world: Pick<World, "env" | "legacy">,
): Parsed<F> {
  const find = finder(usage, world.legacy);
  const known = new Set(Object.keys(usage.flags).map(kebabCase));
  const given: string[] = [];
  const words: string[] = [];
  for (const token of scan(args, find)) {
    if (token.kind === "rest") words.push(...token.words);
    else if (token.kind === "flag") {
      const { name } = token.found;
      if (name === "help" || name === "version") throw new Inquiry(name);
      if (known.has(name)) given.push(...asWords(token, usage.line));
      else log.warn(`${token.written} has no effect here and is ignored`);
    } else if (token.kind === "unknown") {
      throw unknownFlag(token, usage, words, args);
    } else if (usage.child && !world.legacy) {
      words.push(...args.slice(token.at));
      break;
    } else words.push(token.word);
  }
  return { flags: read(usage, given, world.env), words };
}

function read<F extends FlagTable>(
  usage: Usage<F>,
  given: string[],
  env: World["env"],
): Values<F> {
  const names = Object.keys(usage.flags).map(kebabCase);
  const groups = parseArgs(given, { string: names, collect: names });
  const values: Record<string, unknown> = {};
  for (const [key, flag] of Object.entries(usage.flags)) {
    let source = `--${kebabCase(key)}`;
    let words = groups[kebabCase(key)] ?? [];
    const variable = flag.env === undefined ? undefined : env(flag.env);
    if (words.length === 0 && flag.env !== undefined && variable) {
      source = flag.env;
      words = [variable];
    }
    if (flag.secret) words.forEach(hide);
    try {
      values[key] = flag.read(words);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      const shown = flag.secret ? "" : ` ${JSON.stringify(error.value)}`;
      throw new UsageError(`${source}${shown} ${error.message}`, {
        usage: usage.line,
        suggestion: error.suggestion,
      });
    }
  }
  return values as Values<F>;
}

/** A flag and its values as the one word that `parseArgs` reads: `--env=KEY\0VALUE`. */
function asWords(
  token: Token & { kind: "flag" },
  usage: string,
): string[] {
  const { found: { name, shape, negated }, values, written } = token;
  const word = (value: string) => `--${name}=${value}`;
  const missing = (what: string) =>
    new UsageError(`${written} needs ${what}`, { usage });
  switch (shape.takes) {
    case "nothing": {
      const value = values[0];
      if (value === undefined) return [word(String(!negated))];
      return [word(value)];
    }
    case "maybe":
      return [word(negated ? PAIR_SEPARATOR : values[0] ?? "")];
    case "pair": {
      const [key, value] = values;
      if (key === undefined || key === "") {
        throw missing("a key and a value");
      }
      if (value === undefined) {
        throw missing(`a value after ${JSON.stringify(key)}`);
      }
      return [word(key + PAIR_SEPARATOR + value)];
    }
    default:
      if (values.length === 0) throw missing("a value");
      return values.map(word);
  }
}

function finder(usage: Usage, legacy: boolean): Find {
  const names = new Map<string, Found>();
  const negations = new Map<string, Found>();
  for (const [key, shape] of Object.entries(usage.flags)) {
    const name = kebabCase(key);
    const found = { name, shape, negated: false };
    for (const long of [name, ...shape.also ?? []]) {
      names.set(`--${long}`, found);
      if (shape.takes !== "nothing" && shape.takes !== "maybe") continue;
      negations.set(`--no-${long}`, { ...found, negated: true });
    }
    if (shape.short) names.set(`-${shape.short}`, found);
  }
  for (const name of ["help", "version"]) {
    const shape = { takes: "nothing" } as const;
    names.set(`--${name}`, { name, shape, negated: false });
    if (name === "help") names.set("-h", { name, shape, negated: false });
  }
  return (name, dashes) => {
    const exact = (written: string) =>
      names.get(written) ?? negations.get(written);
    const found = exact(dashes + name);
    if (found) return found;
    if (usage.singleDash && dashes === "-" && name.length > 1) {
      return exact(`--${name}`);
    }
    if (!legacy) return undefined;
    return formerFlag(name, dashes) ?? beginning(dashes + name, names);
  };
}

/** The one flag whose name begins like this, as the old command lines could be written. */
function beginning(
  written: string,
  names: ReadonlyMap<string, Found>,
): Found | undefined {
  if (!/^--../.test(written)) return undefined;
  const found = new Set<Found>();
  for (const [name, one] of names) if (name.startsWith(written)) found.add(one);
  return found.size === 1 ? [...found][0] : undefined;
}

function unknownFlag(
  token: Token & { kind: "unknown" },
  usage: Usage,
  words: readonly string[],
  args: readonly string[],
): UsageError {
  const name = JSON.stringify(token.written);
  const [command] = words;
  if (usage.child && command !== undefined) {
    const child = [...words, ...args.slice(token.at)].join(" ");
    return new UsageError(
      `Unknown flag ${name} after the command ${JSON.stringify(command)}: ` +
        "put -- before the command if the flag belongs to it",
      { usage: usage.line, suggestion: `-- ${child}` },
    );
  }
  const names = Object.entries(usage.flags).flatMap(([key, { takes }]) =>
    takes === "nothing" || takes === "maybe"
      ? [`--${kebabCase(key)}`, `--no-${kebabCase(key)}`]
      : [`--${kebabCase(key)}`]
  );
  // One dash too few is no difference.
  const suggestion = token.written.length > 2
    ? suggest(token.written.replace(/^-+/, "--"), [
      ...names,
      "--help",
      "--version",
    ])
    : undefined;
  return new UsageError(`Unknown flag ${name}`, {
    usage: usage.line,
    suggestion,
  });
}

/** `allowOrigin` as it is written on the command line: `allow-origin`. */
export function kebabCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
