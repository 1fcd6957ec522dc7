/**
 * The only writer to stderr: levels, two formats, and no secret in either.
 *
 * Writing never throws, and after `writeBehind` never blocks the program.
 *
 * @module
 */

import { mask, maskField } from "./mask.ts";

export { hide, hideNamed, isSecretName, mask, maskUrl } from "./mask.ts";

/** How grave a log line is, least first. */
export type Level = "debug" | "info" | "warn" | "error";

/** How log lines look: for people, or one JSON object a line. */
export type LogFormat = "text" | "json";

/** What a log line says beside its text. Values under names such as `token` are masked. */
export type Fields = Readonly<Record<string, unknown>>;

/** How a log behaves; what is left out stays as it is. */
export interface LogSettings {
  /** Lines below this level are dropped; `info` at first. */
  level?: Level;
  /** `text` at first. */
  format?: LogFormat;
  /** Whether levels are coloured; no at first. */
  colour?: boolean;
}

const RANK: Readonly<Record<Level, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
};

const COLOUR: Readonly<Record<Level, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[36m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};

const SPELLINGS: Readonly<Record<string, Level>> = {
  debug: "debug",
  trace: "debug",
  info: "info",
  notice: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  critical: "error",
  fatal: "error",
};

/** Reads the name of a level in any letter case, `WARNING` and `CRITICAL` too; `undefined` if it is none. */
export function readLevel(name: string): Level | undefined {
  const key = name.toLowerCase();
  return Object.hasOwn(SPELLINGS, key) ? SPELLINGS[key] : undefined;
}

/** A log: lines of a level that is on go to the writer that it was made with. */
export class Log {
  #rank: number = RANK.info;
  #format: LogFormat = "text";
  #colour = false;
  readonly #write: (line: string) => void;
  readonly #now: () => Date;

  /** A log that gives each line, with its line break, to `write`. */
  constructor(
    write: (line: string) => void,
    now: () => Date = () => new Date(),
  ) {
    this.#write = write;
    this.#now = now;
  }

  /** Changes how the log behaves from the next line on. */
  configure(settings: LogSettings): void {
    if (settings.level !== undefined) this.#rank = RANK[settings.level];
    if (settings.format !== undefined) this.#format = settings.format;
    if (settings.colour !== undefined) this.#colour = settings.colour;
  }

  /** Whether lines of this level are written; ask before work that only a log line needs. */
  on(level: Level): boolean {
    return RANK[level] >= this.#rank;
  }

  /** For those who look for a fault. */
  debug(text: string, fields?: Fields): void {
    if (this.#rank <= RANK.debug) this.#line("debug", text, fields);
  }

  /** For those who watch the program work. */
  info(text: string, fields?: Fields): void {
    if (this.#rank <= RANK.info) this.#line("info", text, fields);
  }

  /** Something is not as it should be, and the program goes on. */
  warn(text: string, fields?: Fields): void {
    if (this.#rank <= RANK.warn) this.#line("warn", text, fields);
  }

  /** Something failed. */
  error(text: string, fields?: Fields): void {
    this.#line("error", text, fields);
  }

  /** Writes a text as it stands, secrets masked, whatever the level and format: usage errors, URLs to click. */
  plain(text: string): void {
    this.#write(`${mask(text)}\n`);
  }

  #line(level: Level, text: string, fields?: Fields): void {
    const time = this.#now().toISOString();
    if (this.#format === "json") {
      return this.#write(
        `${asJson({ time, level, text: mask(short(text)) }, fields)}\n`,
      );
    }
    const tag = level.padEnd(5);
    const head = this.#colour
      ? `\x1b[2m${time}\x1b[0m ${COLOUR[level]}${tag}\x1b[0m`
      : `${time} ${tag}`;
    this.#write(`${head} ${printable(mask(short(text)))}${asText(fields)}\n`);
  }
}

/** Characters of one log line's text; more is cut off. */
const MAX_TEXT = 16_384;

function short(text: string): string {
  const more = text.length - MAX_TEXT;
  return more > 0 ? `${text.slice(0, MAX_TEXT)}… (${more} more)` : text;
}

// What others sent may hold escape sequences that a terminal would obey, or line breaks that forge a log line.
function printable(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  ).replaceAll("\n", "\n    ");
}

function asText(fields?: Fields): string {
  if (!fields) return "";
  let text = "";
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    const masked = maskField(name, value);
    text += ` ${name}=${
      typeof masked === "string" && /^[^\s"=]+$/.test(masked)
        ? printable(masked)
        : stringify(masked)
    }`;
  }
  return text;
}

function asJson(line: Record<string, unknown>, fields?: Fields): string {
  for (const [name, value] of Object.entries(fields ?? {})) {
    line[Object.hasOwn(line, name) ? `${name}_` : name] = maskField(
      name,
      value,
    );
  }
  return stringify(line);
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(
      value,
      (_, v) => typeof v === "bigint" ? v.toString() : v,
    ) ?? String(value);
  } catch {
    return '"[not printable]"';
  }
}

/** Waiting log text beyond this many characters is dropped, and a line says how much. */
const MAX_WAITING = 1 << 20;

const encoder = new TextEncoder();
let behind = false;
let waiting = "";
let dropped = 0;
let writing: Promise<void> | undefined;

/**
 * From now on lines are written behind the program's back, so that a host which does not read our stderr costs log lines,
 * not answers. Until then each is written before the call returns.
 */
export function writeBehind(): void {
  behind = true;
}

/** Resolves when everything logged so far has been written, or after `ms` milliseconds. */
export async function flushLog(ms: number): Promise<void> {
  if (!writing) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([writing, late]);
  clearTimeout(timer);
}

function toStderr(line: string): void {
  if (!behind) writeNow(encoder.encode(line));
  else if (waiting.length + line.length > MAX_WAITING) dropped++;
  else {
    waiting += line;
    writing ??= pump();
  }
}

function writeNow(bytes: Uint8Array): void {
  try {
    for (let at = 0; at < bytes.length;) {
      at += Deno.stderr.writeSync(bytes.subarray(at));
    }
  } catch {
    // A closed stderr leaves nowhere to say so.
  }
}

async function pump(): Promise<void> {
  try {
    while (waiting !== "") {
      const bytes = encoder.encode(waiting);
      waiting = "";
      for (let at = 0; at < bytes.length;) {
        at += await Deno.stderr.write(bytes.subarray(at));
      }
      if (dropped > 0) {
        const count = dropped;
        dropped = 0;
        log.warn(`${count} log lines are lost: nobody read stderr in time`);
      }
    }
  } catch {
    // As above; what waits is lost.
    waiting = "";
  } finally {
    writing = undefined;
  }
}

/** The log of the program. */
export const log: Log = new Log(toStderr);
