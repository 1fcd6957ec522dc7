/**
 * Flags as a table: one entry says how a flag is written, what it means, what its value may be and what it is by default.
 * Parsing and help both come from it.
 *
 * @module
 */

import { parseDuration } from "../config/duration.ts";
import { parseSize } from "../config/size.ts";
import type { Shape } from "./scan.ts";
import { suggest } from "./suggest.ts";

/** One flag; `T` is what the command gets. Its long name is its key in the table: `allowOrigin` is `--allow-origin`. */
export interface Flag<T> extends Shape {
  /** One line for the help. */
  readonly doc: string;
  /** What stands for the value in the help: `PORT`, `KEY VALUE`. */
  readonly value?: string;
  /** A letter, for `-H`. */
  readonly short?: string;
  /** Other long names, not shown in the help. */
  readonly also?: readonly string[];
  /** The environment variable that is read where the flag is absent. */
  readonly env?: string;
  /** Whether the value is never shown. */
  readonly secret?: boolean;
  /** The default as the help shows it. */
  readonly shown?: string;
  /** Makes the value from what was given, in order; nothing where the flag is absent. Throws {@link BadValue}. */
  read(given: readonly string[]): T;
}

/** Flags by their names in camelCase. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** What the flags of a table come to. */
export type Values<F extends FlagTable> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

/** What can be said of any flag. */
export type FlagOptions = Partial<
  Pick<Flag<unknown>, "value" | "short" | "also" | "env" | "secret" | "shown">
>;

/** Turns a word into a value, or throws an `Error` whose message goes on after the word: `must be …`. */
export type Reader<T> = (word: string) => T;

/** A value that a flag does not take. */
export class BadValue extends Error {
  /** The value as it was written. */
  readonly value: string;
  /** What was probably meant. */
  readonly suggestion: string | undefined;

  /** Says what the value must be. */
  constructor(value: string, message: string, suggestion?: string) {
    super(message);
    this.name = "BadValue";
    this.value = value;
    this.suggestion = suggestion;
  }
}

function readWord<T>(reader: Reader<T>, word: string): T {
  try {
    return reader(word);
  } catch (error) {
    if (error instanceof BadValue) throw error;
    throw new BadValue(
      word,
      error instanceof Error ? error.message : String(error),
    );
  }
}

/** A flag without a value: `--x`, `--no-x`, `--x=false`. The last one counts. */
export function toggle(
  doc: string,
  options: FlagOptions & { default?: boolean } = {},
): Flag<boolean> {
  const { default: absent = false, ...rest } = options;
  return {
    takes: "nothing",
    doc,
    shown: absent ? "on" : "off",
    ...rest,
    read: (given) => {
      const last = given.at(-1);
      return last === undefined ? absent : readWord(readBoolean, last);
    },
  };
}

/** A flag with one value. The last one counts; absent, it is `undefined`, or the default. */
export function one<T>(
  reader: Reader<T>,
  doc: string,
  options?: FlagOptions,
): Flag<T | undefined>;
/** A flag with one value and a default. The last one counts. */
export function one<T>(
  reader: Reader<T>,
  doc: string,
  options: FlagOptions & { default: NoInfer<T> },
): Flag<T>;
export function one<T>(
  reader: Reader<T>,
  doc: string,
  options: FlagOptions & { default?: T } = {},
): Flag<T | undefined> {
  const { default: absent, ...rest } = options;
  return {
    takes: "one",
    doc,
    ...(absent === undefined ? {} : { shown: String(absent) }),
    ...rest,
    read: (given) => {
      const last = given.at(-1);
      return last === undefined ? absent : readWord(reader, last);
    },
  };
}

/** A flag with one value that may be given again: all of them count. */
export function list<T>(
  reader: Reader<T>,
  doc: string,
  options: FlagOptions = {},
): Flag<T[]> {
  return {
    takes: "one",
    doc,
    ...options,
    read: (given) => given.map((word) => readWord(reader, word)),
  };
}

/**
 * A flag with several values, which may be given again: all of them count. After the first, only words that `accepts`
 * takes are values, so that the command which follows is not.
 */
export function many<T>(
  reader: Reader<T>,
  doc: string,
  options: FlagOptions & { accepts: (word: string) => boolean },
): Flag<T[]> {
  return {
    takes: "many",
    doc,
    ...options,
    read: (given) => given.map((word) => readWord(reader, word)),
  };
}

/** What parts key and value of a pair on its way through the parser; no word of a command line can hold it. */
export const PAIR_SEPARATOR = "\0";

/** A flag with a key and a value, in two words or, parted by one of `separators`, in one. May be given again. */
export function pairs(
  doc: string,
  options: FlagOptions & { separators?: string } = {},
): Flag<[key: string, value: string][]> {
  return {
    takes: "pair",
    doc,
    value: "KEY VALUE",
    ...options,
    read: (given) =>
      given.map((word) => {
        const at = word.indexOf(PAIR_SEPARATOR);
        return [word.slice(0, at), word.slice(at + 1)];
      }),
  };
}

/** A flag whose value may be left out; it is then `bare`, and absent `undefined`. `--no-x` gives `off`. */
export function maybe<T>(
  reader: Reader<T>,
  doc: string,
  options: FlagOptions & { bare: T; off?: T; accepts: Shape["accepts"] },
): Flag<T | undefined> {
  const { bare, off, accepts, ...rest } = options;
  return {
    takes: "maybe",
    doc,
    ...(accepts ? { accepts } : {}),
    ...rest,
    read: (given) => {
      const last = given.at(-1);
      if (last === undefined) return undefined;
      if (last === PAIR_SEPARATOR) return off;
      return last === "" ? bare : readWord(reader, last);
    },
  };
}

/** Any text but none at all. */
export function text(word: string): string {
  if (word === "") throw new Error("must not be empty");
  return word;
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  "1": true,
  true: true,
  t: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  f: false,
  no: false,
  off: false,
};

/** `1`, `true`, `yes`, `on`, `0`, `false`, `no`, `off`, in any letter case. */
export function readBoolean(word: string): boolean {
  const key = word.toLowerCase();
  const value = Object.hasOwn(BOOLEANS, key) ? BOOLEANS[key] : undefined;
  if (value === undefined) throw new Error("must be true or false");
  return value;
}

/** A TCP port; 0 means any that is free. */
export function port(word: string): number {
  return integer(0, 65535)(word);
}

/** A whole number from `min` to `max`. */
export function integer(min: number, max: number): Reader<number> {
  return (word) => {
    const value = /^[+-]?\d+$/.test(word) ? Number(word) : NaN;
    if (!(value >= min && value <= max)) {
      throw new Error(`must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

/** One of some words, in any letter case; `spellings` are other ways to write them. */
export function choice<const T extends string>(
  words: readonly T[],
  spellings: Readonly<Record<string, T>> = {},
): Reader<T> {
  return (word) => {
    const key = word.toLowerCase();
    const found = words.find((one) => one.toLowerCase() === key) ??
      (Object.hasOwn(spellings, key) ? spellings[key] : undefined);
    if (found !== undefined) return found;
    throw new BadValue(
      word,
      `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
      suggest(word, words),
    );
  };
}

/** A duration, in whole milliseconds: `30s`, `5m`, or plain seconds. */
export const duration: Reader<number> = parseDuration;

/** A number of bytes: `16mb`, `4096`. */
export const size: Reader<number> = parseSize;
