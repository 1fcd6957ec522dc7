/**
 * One entry of `mcpServers`, in each config that has such entries. It brings zod with it, which takes its time to load:
 * import this module only when there is such a config.
 *
 * @module
 */

import { z } from "zod";
import { hideNamed, isSecretName, mask } from "../log.ts";
import type { JsonValue } from "./config_file.ts";
import { configDuration } from "./duration.ts";
import type { At, Findings } from "./keys.ts";
import type { RemoteTransport, ServerSpec } from "./server_spec.ts";

const TRANSPORTS: Readonly<Record<string, RemoteTransport | "stdio">> = {
  "stdio": "stdio",
  "sse": "sse",
  "http": "streamable-http",
  "streamablehttp": "streamable-http",
  "streamable-http": "streamable-http",
  "streamable_http": "streamable-http",
  "auto": "auto",
};

/** Reads the name of a transport in any letter case and any of its spellings; `undefined` if it is none. */
export function readTransport(
  word: string,
): RemoteTransport | "stdio" | undefined {
  const key = word.trim().toLowerCase();
  return Object.hasOwn(TRANSPORTS, key) ? TRANSPORTS[key] : undefined;
}

/** Any text. */
export const string = z.string("must be a string");
/** Any text but none at all. */
export const filled = string.min(1, "must not be empty");
/** `true` or `false`. */
export const boolean = z.boolean("must be true or false");
/** The name of an HTTP header. */
export const headerName = string.regex(
  /^[\w!#$%&'*+.^`|~-]+$/,
  "is no name of a header",
);

/** Makes a reader that throws into a step of a schema: what it throws is the problem. */
export function reading<T, V>(
  read: (value: V) => T,
): (value: V, context: z.RefinementCtx<V>) => T {
  return (value, context) => {
    try {
      return read(value);
    } catch (error) {
      context.addIssue(error instanceof Error ? error.message : "is wrong");
      return z.NEVER;
    }
  };
}

const transport = string.transform(reading((word) => {
  const found = readTransport(word);
  if (found !== undefined) return found;
  throw new Error("must be stdio, sse, streamable-http or auto");
}));

const transportType = transport.meta({
  description:
    "How the server is spoken to. Left out, a command is a child process, and for a URL it is found out",
  enum: ["stdio", "sse", "streamable-http", "auto"],
});

/** What an entry may hold. */
export const serverEntry = z.object({
  command: filled.describe("The program to run, for a local server").optional(),
  args: z.array(string, "must be a list").describe(
    "Its arguments",
  ).optional(),
  env: z.record(
    z.string().regex(/^[^=\0]+$/, 'must be a name without "="'),
    z.union(
      [z.string(), z.number().transform(String), z.boolean().transform(String)],
      "must be a string",
    ),
    "must be an object",
  ).describe("Variables on top of the environment that it is given").optional(),
  cwd: filled.describe("Its working directory").optional(),
  url: string.refine(isHttpUrl, "must be an http(s) URL").describe(
    "The URL of a remote server",
  ).optional(),
  headers: z.record(
    headerName,
    string.regex(/^[^\r\n\0]*$/, "must not hold a line break"),
    "must be an object",
  ).describe("Headers of every request to a remote server").optional(),
  transportType: transportType.optional(),
  type: transportType.describe("The same as transportType").optional(),
  timeout: z.union([z.string(), z.number()], "must be a duration such as 30s")
    .transform(reading(configDuration))
    .describe('How long a request may take: "30s", "500ms", or seconds')
    .optional(),
  isolation: z.enum(["session", "shared"], "must be session or shared")
    .describe("A child for each client session, or one for all").optional(),
  disabled: boolean.describe("Whether the server is switched off").optional(),
  enabled: boolean.describe("false switches the server off").optional(),
});

/** An entry that holds what it may hold. */
export type ServerEntry = z.output<typeof serverEntry>;

/** The server that an entry describes, or `undefined` where it describes none; `found` says why, and what is odd. */
export function serverSpec(
  name: string,
  entry: ServerEntry,
  at: At,
  found: Findings,
): ServerSpec | undefined {
  const { command, url, timeout, isolation } = entry;
  const transport = entry.transportType ?? entry.type;
  const wantsRemote = transport !== undefined && transport !== "stdio";
  const common = {
    name,
    ...timeout && timeout.ms > 0 ? { timeoutMs: timeout.ms } : {},
    ...isolation ? { isolation } : {},
  };
  if (timeout?.note) found.warnings.push(`${at("timeout")}: ${timeout.note}`);
  if (command !== undefined) {
    const ignored = url !== undefined
      ? at("url")
      : wantsRemote
      ? at("transportType")
      : undefined;
    if (ignored !== undefined) {
      found.warnings.push(
        `${ignored} is ignored, because the command is used: leave one of them out`,
      );
    }
    const { args = [], env = {}, cwd } = entry;
    for (const [key, one] of Object.entries(env)) hideNamed(key, one);
    return {
      ...common,
      kind: "stdio",
      command,
      args,
      env,
      ...cwd === undefined ? {} : { cwd },
    };
  }
  if (transport === "stdio") {
    found.problems.push(
      `${at("command")} is missing: name the program that a stdio server is`,
    );
    return undefined;
  }
  if (url === undefined) {
    found.problems.push(
      wantsRemote
        ? `${at("url")} is missing: ${transport} needs one`
        : `${at()} needs a command or a url`,
    );
    return undefined;
  }
  const headers = entry.headers ?? {};
  for (const [key, one] of Object.entries(headers)) hideNamed(key, one);
  return {
    ...common,
    kind: "remote",
    url,
    transport: transport ?? "auto",
    headers,
  };
}

/** A problem that zod found in `value`: where it is, what there must be, and what there is unless it may be a secret. */
export function describeIssue(
  issue: z.core.$ZodIssue,
  value: JsonValue | undefined,
  at: At,
): string {
  // The issue of a key says what is wrong with it one level further down.
  const inner = issue.code === "invalid_key" ? issue.issues[0] : undefined;
  const message = inner?.message ?? issue.message;
  const shown = !inner && message.startsWith("must be ")
    ? written(value, issue.path)
    : "";
  return `${at(...issue.path)} ${message}${shown}`;
}

const MAX_SHOWN = 40;

function written(
  value: JsonValue | undefined,
  path: readonly PropertyKey[],
): string {
  let one = value;
  for (const key of path) {
    one = typeof one === "object" && one !== null
      ? (one as Record<PropertyKey, JsonValue | undefined>)[key]
      : undefined;
  }
  if (one === undefined) return "";
  if (Array.isArray(one)) return ", not a list";
  if (typeof one === "object" && one !== null) return ", not an object";
  if (typeof one !== "string") return `, not ${one}`;
  const secret = path.some((key) =>
    key === "env" || key === "headers" || isSecretName(String(key))
  );
  if (secret || one.length > MAX_SHOWN) return ", not this text";
  return `, not ${JSON.stringify(mask(one))}`;
}

function isHttpUrl(text: string): boolean {
  return /^https?:\/\//i.test(text) && URL.canParse(text);
}
