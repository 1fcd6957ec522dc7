/**
 * Lengths of time as people write them.
 *
 * @module
 */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

const PART = /(\d+(?:\.\d+)?|\.\d+)(ns|us|µs|ms|s|m|h|d)/g;
const WHOLE = /^(?:(?:\d+(?:\.\d+)?|\.\d+)(?:ns|us|µs|ms|s|m|h|d))+$/;
const NUMBER = /^(?:\d+(?:\.\d+)?|\.\d+)$/;

/** What timers can wait for, about 24.8 days; a longer duration is an error. */
export const MAX_DURATION_MS = 2 ** 31 - 1;

const WANTED = "must be a duration such as 30s, 500ms, 5m or 1h30m";

/**
 * Reads `30s`, `500ms`, `5m`, `1h30m`, or a plain number of seconds, into whole milliseconds: from 0 up to
 * {@link MAX_DURATION_MS}, and never down to 0 unless 0 is what was written. Throws an `Error` that says what is accepted.
 */
export function parseDuration(text: string): number {
  const word = text.trim().toLowerCase();
  if (NUMBER.test(word)) return bounded(Number(word) * 1000);
  if (!WHOLE.test(word)) throw new Error(WANTED);
  let ms = 0;
  for (const [, number, unit] of word.matchAll(PART)) {
    ms += Number(number) * (UNIT_MS[unit ?? ""] ?? NaN);
  }
  return bounded(ms);
}

function bounded(ms: number): number {
  if (!(ms <= MAX_DURATION_MS)) throw new Error("must be at most 24 days");
  return ms > 0 ? Math.max(1, Math.round(ms)) : 0;
}

/** A duration from a config file, and how a number without a unit was understood. */
export interface ConfigDuration {
  /** Whole milliseconds. */
  ms: number;
  /** What to tell the user where the number was not taken as seconds, as in `60000 is read as 60s; write "60s"`. */
  note?: string;
}

/**
 * Reads a duration of a config file: a string as {@link parseDuration} does, or a number, which is in seconds below
 * 1000, in milliseconds below 1e9, else in nanoseconds, so that 60, 60000 and 60000000000 all are one minute. Throws an
 * `Error` that says what is accepted.
 */
export function configDuration(value: string | number): ConfigDuration {
  const number = typeof value === "number"
    ? value
    : NUMBER.test(value.trim())
    ? Number(value)
    : undefined;
  if (number === undefined) return { ms: parseDuration(String(value)) };
  if (!Number.isFinite(number) || number < 0) throw new Error(WANTED);
  if (number < 1000) return { ms: bounded(number * 1000) };
  const ms = bounded(number < 1e9 ? number : number / 1e6);
  const text = formatDuration(ms);
  return { ms, note: `${value} is read as ${text}; write "${text}"` };
}

/** Writes milliseconds the way {@link parseDuration} reads them: `1h30m`, `1.5s`, `500ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${ms}ms`;
  let left = ms;
  let text = "";
  for (const unit of ["h", "m"] as const) {
    const size = UNIT_MS[unit] ?? 1;
    const count = Math.floor(left / size);
    if (count > 0) text += `${count}${unit}`;
    left -= count * size;
  }
  return left > 0 || text === "" ? `${text}${left / 1000}s` : text;
}
