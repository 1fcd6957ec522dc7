/**
 * The flags for TLS towards remote servers.
 *
 * @module
 */

import { type FlagTable, maybe, one, text, type Values } from "./flags.ts";
import { isTlsValue } from "./former_flags.ts";

/** `--ca`, `--verify-ssl`, `--no-verify-ssl`. */
export const tlsFlags = {
  ca: one(text, "PEM file with the certificates to trust beside the usual", {
    value: "FILE",
  }),
  verifySsl: maybe<string | boolean>(
    verification,
    "Verify certificates of remote servers: true, false, or a PEM file to trust; --no-verify-ssl is the same as false",
    { bare: true, off: false, accepts: isTlsValue, shown: "true" },
  ),
} satisfies FlagTable;

/** How certificates of remote servers are checked. */
export interface TlsTrust {
  /** Whether they are checked at all. */
  readonly verify: boolean;
  /** PEM files whose certificates are trusted beside those of the system. */
  readonly caFiles: readonly string[];
}

/** What the flags come to. */
export function tlsTrust(flags: Values<typeof tlsFlags>): TlsTrust {
  const { ca, verifySsl } = flags;
  const files = [ca, typeof verifySsl === "string" ? verifySsl : undefined];
  return {
    verify: verifySsl !== false,
    caFiles: files.filter((file) => file !== undefined),
  };
}

function verification(word: string): string | boolean {
  if (/^(?:1|true|yes|on)$/i.test(word)) return true;
  if (/^(?:0|false|no|off)$/i.test(word)) return false;
  return word;
}
