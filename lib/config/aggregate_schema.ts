/**
 * What the config of `aggregate` may hold, said once: for reading it, and for editors that complete it.
 *
 * @module
 */

import { z } from "zod";
import type { KeyTree } from "./keys.ts";
import { parseAddress, parseBaseUrl } from "./proxy_address.ts";
import {
  boolean,
  filled,
  headerName,
  reading,
  readTransport,
  serverEntry,
  string,
} from "./server_entry.ts";
import type { ProxyType } from "./aggregate_server.ts";

/** Headers that belong to one connection or one session, so that they cannot be passed on. */
const OF_ONE_HOP =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*|content-.*|expect|accept|accept-encoding|mcp-.*|last-event-id|origin)$/i;

const inherited = {
  panicIfInvalid: boolean.describe(
    "Whether the program ends when the server cannot be started at first",
  ).optional(),
  logEnabled: boolean.describe("Whether requests are logged").optional(),
  authTokens: z.array(
    filled.regex(
      /^\S*$/,
      'must not hold spaces: give the token alone, without "Bearer"',
    ),
    "must be a list",
  ).describe(
    "Tokens that clients must send. A server that has none of its own takes those of mcpProxy; [] opens it",
  ).optional(),
  prefix: boolean.describe(
    "Whether the combined endpoint puts the server's name before those of its tools and prompts",
  ).optional(),
};

const proxyOptions = z.strictObject(inherited, "must be an object");

const serverOptions = z.strictObject({
  ...inherited,
  toolFilter: z.strictObject({
    mode: string.meta({
      description:
        "Whether only the tools of the list are there, or all others",
      enum: ["allow", "block"],
    }).optional(),
    list: z.array(string, "must be a list").describe(
      "Names of tools, and patterns such as delete_*",
    ).optional(),
  }, "must be an object").describe("Which of the server's tools are there")
    .optional(),
  disabled: boolean.describe("Whether the server is switched off").optional(),
  forwardHeaders: z.array(
    headerName.refine((name) => !name.includes("*"), {
      message: "must be the name of one header, without *",
      abort: true,
    }).refine(
      (name) => !OF_ONE_HOP.test(name),
      "must be a header that can be passed on",
    ),
    "must be a list",
  ).describe("Headers of clients that go on to the server; otherwise none do")
    .optional(),
}, "must be an object");

/** What `mcpProxy` may hold. */
export const proxySchema = z.strictObject({
  baseURL: string.transform(reading(parseBaseUrl)).describe(
    "How clients reach the proxy: its path is the one that all routes are under",
  ).optional(),
  addr: string.transform(reading(parseAddress)).describe(
    'Where to listen: ":9090" for all interfaces, "127.0.0.1:9090" for this machine only',
  ).optional(),
  name: string.describe("What the proxy calls itself").optional(),
  version: string.describe("The version that it tells").optional(),
  type: string.transform(reading(proxyType)).meta({
    description: "Which transport people are told; clients can always use both",
    enum: ["sse", "streamable-http"],
  }).optional(),
  options: proxyOptions.describe("What servers have that do not say otherwise")
    .optional(),
}, "must be an object");

/** What an entry of `mcpServers` may hold. */
export const serverSchema = z.strictObject({
  ...serverEntry.shape,
  options: serverOptions.describe("How the server is offered").optional(),
}, "must be an object");

const configSchema = z.strictObject({
  $schema: z.string().describe("Where this schema is").optional(),
  mcpProxy: proxySchema.describe("The proxy itself").optional(),
  mcpServers: z.record(z.string(), serverSchema).describe(
    "The servers behind it, by their names: /NAME/mcp is the route of each",
  ),
}).meta({ title: "Config of mcp-proxy aggregate" });

/** The JSON Schema of the config, for editors. */
export function jsonSchema(): object {
  return z.toJSONSchema(configSchema, { io: "input" });
}

const ALWAYS_ON =
  "is not needed and ignored: servers are watched and started again by themselves";
const PER_SERVER =
  'has no effect here: put it into the "options" of each server that it is for';

/** The keys of `mcpProxy`, those of other programs included. */
export const PROXY_KEYS: KeyTree = {
  ...keyTree(proxySchema),
  options: {
    ...keyTree(proxyOptions),
    toolFilter: PER_SERVER,
    disabled: PER_SERVER,
    forwardHeaders: PER_SERVER,
    autoReconnect: ALWAYS_ON,
    reconnectInterval: ALWAYS_ON,
    pingInterval: ALWAYS_ON,
  },
  startupGracePeriod: ALWAYS_ON,
};

/** The keys of an entry of `mcpServers`, those of other programs included. */
export const SERVER_KEYS: KeyTree = {
  ...keyTree(serverSchema),
  options: {
    ...keyTree(serverOptions),
    enabled: 'is not known and ignored; write "disabled": true instead',
    autoReconnect: ALWAYS_ON,
    reconnectInterval: ALWAYS_ON,
    pingInterval: ALWAYS_ON,
  },
  oauth: 'is ignored: put a token into "headers"',
};

function keyTree(schema: z.ZodObject): KeyTree {
  return Object.fromEntries(
    Object.entries(schema.shape).map(([key, one]) => {
      const inner = one instanceof z.ZodOptional ? one.unwrap() : one;
      return [key, inner instanceof z.ZodObject ? keyTree(inner) : null];
    }),
  );
}

function proxyType(word: string): ProxyType {
  const type = readTransport(word);
  if (type === "sse" || type === "streamable-http") return type;
  throw new Error("must be sse or streamable-http");
}
