/**
 * Which words of a command line belong together: a flag and its values, a word that stands alone, all that follows `--`.
 *
 * @module
 */

/** How many words follow a flag: none, one, a key and a value, one or more, or one that may be left out. */
export type Takes = "nothing" | "one" | "pair" | "many" | "maybe";

/** What the scan has to know of a flag. */
export interface Shape {
  /** How many words follow it. */
  readonly takes: Takes;
  /** For `pair`: characters that part key and value where both stand in one word. */
  readonly separators?: string;
  /** For `many` and `maybe`: whether this word is a value, and not already the first word of the command. */
  readonly accepts?: (word: string) => boolean;
}

/** A flag of the table, under its long name. */
export interface Found {
  /** The long name, without dashes. */
  readonly name: string;
  /** How it is written. */
  readonly shape: Shape;
  /** Whether it was written as `--no-…`. */
  readonly negated: boolean;
}

/** Looks up a flag by what stands between its dashes and a `=`; `dashes` is `-` or `--`. */
export type Find = (name: string, dashes: string) => Found | undefined;

/** One thing on the command line. */
export type Token =
  /** A flag with its values, too few of them where the command line ends early; `written` is the flag as it stood. */
  | { kind: "flag"; found: Found; values: string[]; written: string }
  /** A flag that nobody knows, without its value; `at` is its place among the words. */
  | { kind: "unknown"; written: string; at: number }
  /** A word that is no flag. */
  | { kind: "word"; word: string; at: number }
  /** The words after `--`. */
  | { kind: "rest"; words: string[] };

/** Reads a command line from left to right. Nothing is refused here: that is for the caller to do. */
export function* scan(
  args: readonly string[],
  find: Find,
): Generator<Token, void, void> {
  const next = (at: number): string | undefined => args[at];
  const isFlag = (word: string): boolean => {
    const parts = split(word);
    return parts !== undefined &&
      find(parts.name, parts.dashes) !== undefined;
  };
  for (let i = 0; i < args.length;) {
    const at = i;
    const word = args[i++] ?? "";
    if (word === "--") {
      yield { kind: "rest", words: args.slice(i) };
      return;
    }
    const parts = split(word);
    if (!parts) {
      yield { kind: "word", word, at };
      continue;
    }
    const written = parts.dashes + parts.name;
    const found = find(parts.name, parts.dashes);
    if (!found) {
      yield { kind: "unknown", written, at };
      continue;
    }
    const { takes, separators, accepts } = found.shape;
    const values = parts.inline === undefined ? [] : [parts.inline];
    // A value may start with one dash (`--cwd -x`) unless that makes it a flag of ours.
    const value = (): boolean => {
      const word = next(i);
      if (word === undefined || word.startsWith("--") || isFlag(word)) {
        return false;
      }
      values.push(word);
      i++;
      return true;
    };
    const bare = (): boolean => {
      const word = next(i);
      return word !== undefined && !/^-./.test(word) &&
        (accepts?.(word) ?? true);
    };
    if (found.negated) {
      // `--no-x` has no value of its own.
    } else if (takes === "one") {
      if (values.length === 0) value();
    } else if (takes === "pair") {
      if (values.length > 0 || value()) {
        const both = parted(values[0] ?? "", separators ?? "");
        const second = next(i);
        if (both) values.splice(0, 1, ...both);
        else if (second !== undefined && second !== "--" && !isFlag(second)) {
          values.push(second);
          i++;
        }
      }
    } else if (takes === "many") {
      if (values.length === 0 && value()) {
        while (bare()) values.push(args[i++] ?? "");
      }
    } else if (takes === "maybe") {
      if (values.length === 0 && bare()) values.push(args[i++] ?? "");
    }
    yield { kind: "flag", found, values, written };
  }
}

function split(
  word: string,
): { dashes: string; name: string; inline: string | undefined } | undefined {
  const match = /^(--?)([a-z][^=]*)(?:=(.*))?$/is.exec(word);
  if (!match) return undefined;
  return { dashes: match[1] ?? "", name: match[2] ?? "", inline: match[3] };
}

/** `KEY=VALUE` or `KEY: VALUE` in one word, parted at the first separator. */
function parted(
  word: string,
  separators: string,
): [key: string, value: string] | undefined {
  for (let i = 1; i < word.length; i++) {
    if (!separators.includes(word.charAt(i))) continue;
    const value = word.slice(i + 1);
    return [
      word.slice(0, i),
      word.charAt(i) === ":" ? value.trimStart() : value,
    ];
  }
  return undefined;
}
