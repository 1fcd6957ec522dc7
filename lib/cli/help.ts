/**
 * Help texts, made from the same tables as the parser.
 *
 * @module
 */

import type { Flag, FlagTable } from "./flags.ts";
import { kebabCase, type Usage } from "./parse.ts";

const WIDTH = 100;
const COLUMN = 30;

/** The whole help of a command, with a line break at its end. */
export function helpText<F extends FlagTable>(usage: Usage<F>): string {
  const flags = Object.entries<Flag<unknown>>(usage.flags).map(
    ([key, flag]) => row(flagNames(kebabCase(key), flag), flagDoc(flag)),
  );
  return [
    `Usage: ${usage.line}`,
    "",
    usage.about.trim(),
    "",
    "Flags:",
    ...flags,
    row("-h, --help", "Show this help"),
    row("    --version", "Show the version"),
    ...usage.notes === undefined ? [] : ["", usage.notes.trim()],
    "",
    "Examples:",
    ...usage.examples.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

function flagNames(name: string, flag: Flag<unknown>): string {
  const letter = flag.short ? `-${flag.short}, ` : "    ";
  const value = flag.value ?? "VALUE";
  switch (flag.takes) {
    case "nothing":
      return `${letter}--${flag.shown === "on" ? "[no-]" : ""}${name}`;
    case "maybe":
      return `${letter}--${name} [${value}]`;
    case "many":
      return `${letter}--${name} ${value.replace(/…$/, "")}…`;
    default:
      return `${letter}--${name} ${value}`;
  }
}

function flagDoc(flag: Flag<unknown>): string {
  const notes = [];
  if (flag.env !== undefined) notes.push(flag.env);
  if (flag.shown !== undefined && flag.shown !== "off") {
    notes.push(`default ${flag.shown}`);
  }
  return notes.length === 0 ? flag.doc : `${flag.doc} [${notes.join(", ")}]`;
}

/** Two columns; a left one that is too wide has a line for itself. */
export function row(left: string, right: string): string {
  const lines: string[] = [];
  let line = "";
  for (const word of right.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > WIDTH - COLUMN) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  const head = `  ${left}`;
  const indent = " ".repeat(COLUMN);
  const first = head.length + 2 <= COLUMN
    ? head.padEnd(COLUMN)
    : `${head}\n${indent}`;
  return first + lines.join(`\n${indent}`);
}
