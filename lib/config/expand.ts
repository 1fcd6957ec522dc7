/**
 * Variables in the values of a config: `${VAR}`, `${VAR:-default}`, `${env:VAR}`, `$VAR`; `$$` is a dollar sign.
 *
 * @module
 */

import { hideNamed } from "../log.ts";

/** The value of an environment variable, or `undefined` where it is not set. */
export type Lookup = (name: string) => string | undefined;

/** A text with the variables in it put in, and what is wrong with them. */
export interface Expanded {
  /** The text; what could not be put in is left out. */
  readonly text: string;
  /** Each thing that is wrong, to stand after the path of the value. */
  readonly problems: string[];
}

/** Defaults that hold variables with defaults that hold … are read down to here. */
const MAX_DEPTH = 8;

/** Puts the variables into a text. A dollar sign that begins neither a name nor a brace stays as it is. */
export function expand(text: string, env: Lookup): Expanded {
  const problems: string[] = [];
  return { text: filledIn(text, env, problems, 0), problems };
}

function filledIn(
  text: string,
  env: Lookup,
  problems: string[],
  depth: number,
): string {
  const name = /[A-Za-z_]\w*/y;
  let out = "";
  let from = 0;
  for (;;) {
    const at = text.indexOf("$", from);
    if (at < 0) return out + text.slice(from);
    out += text.slice(from, at);
    if (text[at + 1] === "$") {
      out += "$";
      from = at + 2;
      continue;
    }
    if (text[at + 1] === "{") {
      const end = closing(text, at + 2);
      if (end < 0) {
        problems.push('holds "${" without "}": close it, or write $$ for a $');
        return out;
      }
      out += braced(text.slice(at + 2, end), env, problems, depth);
      from = end + 1;
      continue;
    }
    name.lastIndex = at + 1;
    const [found] = name.exec(text) ?? [];
    out += found === undefined ? "$" : value(found, env, problems);
    from = at + 1 + (found?.length ?? 0);
  }
}

function closing(text: string, from: number): number {
  let open = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "$" && text[at + 1] === "{") open++;
    else if (text[at] === "}" && --open === 0) return at;
  }
  return -1;
}

function braced(
  inner: string,
  env: Lookup,
  problems: string[],
  depth: number,
): string {
  const [, name, otherwise] =
    /^(?:env:)?([A-Za-z_]\w*)(?::-([^]*))?$/.exec(inner) ?? [];
  if (name === undefined || depth >= MAX_DEPTH) {
    // It may be a piece of a password, so that only what looks like a name is shown.
    const shown = /^[\w:.-]{1,40}$/.test(inner) ? inner : "…";
    problems.push(
      `holds "\${${shown}}", which is no variable: write \${NAME} or \${NAME:-default}, or $$ for a $`,
    );
    return "";
  }
  if (otherwise === undefined) return value(name, env, problems);
  const found = env(name);
  if (found === undefined || found === "") {
    return filledIn(otherwise, env, problems, depth + 1);
  }
  hideNamed(name, found);
  return found;
}

function value(name: string, env: Lookup, problems: string[]): string {
  const found = env(name);
  if (found === undefined) {
    problems.push(
      `uses the variable ${name}, which is not set: set it, or write \${${name}:-default}, or $$ for a $`,
    );
    return "";
  }
  hideNamed(name, found);
  return found;
}
