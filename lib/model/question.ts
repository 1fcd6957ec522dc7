/**
 * What a caller asks, and whether it can be asked.
 *
 * @module
 */
import { isRecord } from "./json.ts";

/** One question to a model. */
export interface Question {
  /** What the user says; not blank. */
  readonly prompt: string;
  /** The system text. */
  readonly system?: string;
  /** The model; the one of the settings where it is absent. */
  readonly model?: string;
  /** Longest answer, in tokens, from 1 to {@linkcode MAX_TOKENS}. */
  readonly maxTokens: number;
  /** From 0 to 1. */
  readonly temperature?: number;
  /** Texts at which the model stops. */
  readonly stopSequences?: readonly string[];
}

/** Most tokens that an answer may have, and how many it may have unless the caller says so. */
export const MAX_TOKENS = 65_536, DEFAULT_TOKENS = 1024;

const NAMES = [
  "prompt",
  "system",
  "model",
  "maxTokens",
  "temperature",
  "stopSequences",
];

/** The arguments of a call that cannot be asked. The message names each of them, its value, and what it must be. */
export class ArgumentsError extends Error {
  override readonly name = "ArgumentsError";
}

/**
 * Reads the arguments of a call. `null`, and a text without letters where one may be left out, count as absent; unknown
 * arguments are ignored, unless they are a known one in another spelling. Throws an {@linkcode ArgumentsError}.
 */
export function readQuestion(args: unknown): Question {
  if (args !== undefined && args !== null && !isRecord(args)) {
    throw new ArgumentsError(`arguments ${shown(args)} must be an object`);
  }
  const given: Record<string, unknown> = args ?? {};
  const faults: string[] = [];
  const read = <T>(
    name: string,
    reader: (value: unknown) => T | undefined,
    wanted: string,
  ): T | undefined => {
    const value = given[name] ?? undefined;
    if (value === undefined) return undefined;
    const result = reader(value);
    if (result === undefined) faults.push(`${name} ${shown(value)} ${wanted}`);
    return result;
  };
  const prompt = read("prompt", text, "must be a text");
  if (prompt === undefined && faults.length === 0) {
    faults.push("prompt is missing");
  } else if (prompt?.trim() === "") faults.push("prompt must not be empty");
  const system = read("system", text, "must be a text");
  const model = read("model", text, "must be a text")?.trim();
  const maxTokens = read(
    "maxTokens",
    number((n) => Number.isInteger(n) && n >= 1 && n <= MAX_TOKENS),
    `must be a whole number from 1 to ${MAX_TOKENS}`,
  );
  const temperature = read(
    "temperature",
    number((n) => n >= 0 && n <= 1),
    "must be a number from 0 to 1",
  );
  const stopSequences = read(
    "stopSequences",
    texts,
    "must be a list of texts that are not empty",
  );
  for (const name of Object.keys(given)) {
    const meant = misspelt(name);
    if (meant !== undefined && given[meant] === undefined) {
      faults.push(`${shown(name)} is unknown: ${meant} is meant`);
    }
  }
  if (faults.length > 0) throw new ArgumentsError(faults.join("; "));
  return {
    prompt: prompt ?? "",
    maxTokens: maxTokens ?? DEFAULT_TOKENS,
    ...system?.trim() ? { system } : {},
    ...model ? { model } : {},
    ...temperature === undefined ? {} : { temperature },
    ...stopSequences?.length ? { stopSequences } : {},
  };
}

const text = (value: unknown) => typeof value === "string" ? value : undefined;

const texts = (value: unknown) =>
  Array.isArray(value) &&
    value.every((one) => typeof one === "string" && one !== "")
    ? value as string[]
    : undefined;

const number = (fits: (value: number) => boolean) => (value: unknown) =>
  typeof value === "number" && fits(value) ? value : undefined;

/** A caller that wrote `max_tokens` would wonder for long why answers end early. */
function misspelt(name: string): string | undefined {
  if (NAMES.includes(name)) return undefined;
  const plain = name.replaceAll(/[_-]/g, "").toLowerCase();
  return NAMES.find((known) => known.toLowerCase() === plain);
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
