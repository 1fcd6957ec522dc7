/**
 * Numbers of bytes as people write them.
 *
 * @module
 */

const POWER: Readonly<Record<string, number>> = { "": 0, k: 1, m: 2, g: 3 };

/**
 * Reads `16mb`, `1k`, `1.5 GiB`, `4096` into bytes; a kilobyte has 1024. From 1 byte up to 1024 GB. Throws an `Error`
 * that says what is accepted.
 */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmg]?)(?:i?b)?)$/.exec(
    text.trim().toLowerCase(),
  );
  const bytes = match
    ? Math.floor(Number(match[1]) * 1024 ** (POWER[match[2] ?? ""] ?? NaN))
    : NaN;
  if (!(bytes >= 1 && bytes <= 1024 ** 4)) {
    throw new Error("must be a size such as 16mb, 512k or 4096");
  }
  return bytes;
}
