/**
 * The flags that say what goes to stderr; every command has them.
 *
 * @module
 */

import { type Level, log, readLevel } from "../log.ts";
import {
  BadValue,
  choice,
  type FlagTable,
  one,
  toggle,
  type Values,
} from "./flags.ts";
import { suggest } from "./suggest.ts";
import type { World } from "./world.ts";

/** `--log-level`, `--log-format`, `--debug`. */
export const logFlags = {
  logLevel: one(level, "Least level that is logged: debug, info, warn, error", {
    value: "LEVEL",
    default: "info",
  }),
  logFormat: one(
    choice(["text", "json"]),
    "How log lines look: text or json",
    { value: "FORMAT", default: "text" },
  ),
  debug: toggle("Same as --log-level debug; also shows stack traces"),
} satisfies FlagTable;

/** Makes the log what the flags say, coloured only where a person looks at it and did not ask for `NO_COLOR`. */
export function applyLogFlags(
  flags: Values<typeof logFlags>,
  world: Pick<World, "env" | "stderrIsTerminal">,
): void {
  log.configure({
    level: flags.debug ? "debug" : flags.logLevel,
    format: flags.logFormat,
    colour: world.stderrIsTerminal && !world.env("NO_COLOR") &&
      world.env("TERM") !== "dumb",
  });
}

function level(word: string): Level {
  const found = readLevel(word);
  if (found) return found;
  throw new BadValue(
    word,
    "must be debug, info, warn or error",
    suggest(word, ["debug", "info", "warn", "error"]),
  );
}
