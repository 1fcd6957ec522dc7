/**
 * How the flags of the command lines without a subcommand are written. Which command such a line means depends on its
 * first word that is no flag, and this has to be known before the command, with its own table, is loaded.
 *
 * @module
 */

import type { Found, Shape } from "./scan.ts";

const NOTHING: Shape = { takes: "nothing" };
const ONE: Shape = { takes: "one" };

const SHAPES: Readonly<Record<string, Shape>> = {
  // Of both.
  "help": NOTHING,
  "version": NOTHING,
  "debug": NOTHING,
  "log-level": ONE,
  "log-format": ONE,
  "ca": ONE,
  "verify-ssl": { takes: "maybe", accepts: isTlsValue },
  // Of `bridge`.
  "headers": { takes: "pair", separators: "=:" },
  "header": { takes: "pair", separators: "=:" },
  "transport": ONE,
  "api-access-token": ONE,
  "client-id": ONE,
  "client-secret": ONE,
  "token-url": ONE,
  "scope": ONE,
  "timeout": ONE,
  // Of `serve`.
  "port": ONE,
  "host": ONE,
  "sse-port": ONE,
  "sse-host": ONE,
  "unix": ONE,
  "tls-cert": ONE,
  "tls-key": ONE,
  "env": { takes: "pair", separators: "=" },
  "cwd": ONE,
  "pass-environment": NOTHING,
  "named-server": { takes: "pair" },
  "named-server-config": ONE,
  "stateless": NOTHING,
  "isolation": ONE,
  "max-sessions": ONE,
  "session-idle": ONE,
  "allow-origin": { takes: "many", accepts: isOrigin },
  "expose-header": ONE,
  "allow-host": ONE,
  "auth-token": ONE,
  "max-body": ONE,
};

/** Those of the configuration's own command, which take one dash as well. */
const AGGREGATE: Readonly<Record<string, Shape>> = {
  "config": ONE,
  "insecure": NOTHING,
  "expand-env": NOTHING,
  "http-headers": ONE,
  "http-timeout": ONE,
  "check-config": NOTHING,
  "watch": NOTHING,
  "print-client-config": ONE,
  "log-level": ONE,
};

const LETTERS: Readonly<Record<string, string>> = {
  H: "headers",
  e: "env",
  h: "help",
};

/** Finds a flag of `bridge` or `serve`. */
export function formerFlag(name: string, dashes: string): Found | undefined {
  if (dashes === "-") {
    const long = Object.hasOwn(LETTERS, name) ? LETTERS[name] : undefined;
    return long === undefined ? undefined : shaped(SHAPES, long);
  }
  return shaped(SHAPES, name);
}

/** Finds a flag of any command line that has no subcommand. */
export function anyFormerFlag(
  name: string,
  dashes: string,
): Found | undefined {
  return formerFlag(name, dashes) ?? shaped(AGGREGATE, name);
}

function shaped(
  shapes: Readonly<Record<string, Shape>>,
  name: string,
): Found | undefined {
  const shape = Object.hasOwn(shapes, name) ? shapes[name] : undefined;
  if (shape) return { name, shape, negated: false };
  const positive = /^no-(.+)$/.exec(name)?.[1];
  const found = positive === undefined ? undefined : shaped(shapes, positive);
  const negatable = found?.shape.takes === "nothing" ||
    found?.shape.takes === "maybe";
  return found && negatable ? { ...found, negated: true } : undefined;
}

/** Whether the word is an origin, and not the command that follows: `*`, `null`, `https://example.com`. */
export function isOrigin(word: string): boolean {
  return word === "*" || word === "null" || word.includes("://");
}

/** Whether the word can be the value of `--verify-ssl`: a boolean or a file, but no URL and no command. */
export function isTlsValue(word: string): boolean {
  if (/^https?:\/\//i.test(word)) return false;
  return /^(?:1|0|true|false|yes|no|on|off)$/i.test(word) ||
    /[\\/]|\.(?:pem|crt|cer|ca|bundle)$/i.test(word);
}
