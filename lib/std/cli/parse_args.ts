import * as std from "deno-std/cli/parse_args.js";

type Flags<B extends string, S extends string, C extends string, D> =
  & { [K in B]: boolean | (K extends keyof D ? D[K] : never) }
  & { [K in Exclude<S, C | keyof D>]?: string }
  & { [K in Exclude<S & keyof D, C>]: string | D[K] }
  & { [K in C]: string[] };

/** The flags given, by name, and under `_` the words that are no flags. */
export type Args<T = Record<string, unknown>> = T & {
  _: (string | number)[];
  "--"?: string[];
};

/** How to read the flags. Name every collected flag in `string` too. */
export interface ParseOptions<
  B extends string,
  S extends string,
  C extends string,
  D extends Record<string, unknown>,
> {
  /** Put the words after `--` under `"--"`. */
  "--"?: boolean;
  /** Other names of a flag. */
  alias?: Record<string, string | readonly string[]>;
  /** Flags without a value. */
  boolean?: readonly B[];
  /** Flags with a value. */
  string?: readonly S[];
  /** Flags whose values accumulate. */
  collect?: readonly C[];
  /** Boolean flags that `--no-…` turns off. */
  negatable?: readonly string[];
  /** Values of absent flags. */
  default?: D;
  /** Take every word from the first that is no flag as it is. */
  stopEarly?: boolean;
  /** Called for what no other option names. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

/** Reads a command line. */
export const parseArgs: <
  B extends string = never,
  S extends string = never,
  C extends string = never,
  D extends Record<string, unknown> = Record<never, never>,
>(
  args: string[],
  options?: ParseOptions<B, S, C, D>,
) => Args<Flags<B, S, C, D>> = std.parseArgs;
