/**
 * The config of `aggregate`: many servers, and the proxy before them. It brings zod with it, which takes its time to
 * load: import this module only when there is such a config.
 *
 * @module
 */

import type { z } from "zod";
import { hide } from "../log.ts";
import { version } from "../version.ts";
import {
  PROXY_KEYS,
  proxySchema,
  SERVER_KEYS,
  serverSchema,
} from "./aggregate_schema.ts";
import type {
  AggregateConfig,
  AggregateOptions,
  AggregateServer,
  ToolFilter,
} from "./aggregate_server.ts";
import { ConfigError, type JsonValue, parseConfig } from "./config_file.ts";
import { type Part, readPart } from "./config_part.ts";
import {
  readConfigSource,
  sourceName,
  type SourceOptions,
} from "./config_source.ts";
import type { Lookup } from "./expand.ts";
import { configParts } from "./former_config.ts";
import { type Findings, valueOf } from "./keys.ts";
import { serverSpec } from "./server_entry.ts";
import { checkNames } from "./server_names.ts";

/** How a config is read. */
export interface ConfigOptions extends SourceOptions {
  /** Gives the variables that its values use; left out, a `$` is a `$`. */
  readonly env?: Lookup;
}

/**
 * Reads the config in a file or behind an http(s) URL. All that is wrong with it is named at once. Throws a
 * {@link ConfigError}.
 */
export async function readAggregateConfig(
  source: string,
  options: ConfigOptions = {},
): Promise<AggregateConfig> {
  const text = await readConfigSource(source, options);
  return parseAggregateConfig(text, sourceName(source), options.env);
}

/** Reads the text of such a config; `file` is what errors call it. Throws a {@link ConfigError}. */
export function parseAggregateConfig(
  text: string,
  file: string,
  env?: Lookup,
): AggregateConfig {
  const found: Findings = { problems: [], warnings: [] };
  const parts = configParts(parseConfig(text, file), found);
  const proxy = parts.proxy &&
    readPart(parts.proxy, proxySchema, PROXY_KEYS, env, found);
  const servers: AggregateServer[] = [];
  const disabled: string[] = [];
  for (const [name, part] of parts.servers) {
    if (isDisabled(part.value)) {
      disabled.push(name);
      continue;
    }
    const server = readServer(name, part, proxy?.options ?? {}, env, found);
    if (server) servers.push(server);
  }
  const enabled = new Map(parts.servers);
  for (const name of disabled) enabled.delete(name);
  checkNames(enabled, found);
  // A misspelt key is often why another one is missing.
  if (found.problems.length > 0) {
    throw new ConfigError(file, [...found.problems, ...found.warnings]);
  }
  return {
    ...proxySettings(proxy, parts.proxy, found.warnings),
    servers,
    disabled,
    warnings: found.warnings,
  };
}

type Proxy = z.output<typeof proxySchema>;
type ProxyOptions = NonNullable<Proxy["options"]>;
type ServerOptions = NonNullable<z.output<typeof serverSchema>["options"]>;

function proxySettings(
  proxy: Proxy | undefined,
  part: Part | undefined,
  warnings: string[],
): Omit<AggregateConfig, "servers" | "disabled" | "warnings"> {
  const { url, path = "", note } = proxy?.baseURL ?? {};
  if (note !== undefined) warnings.push(`${part?.at("baseURL")} ${note}`);
  let listen = proxy?.addr;
  if (!listen && part) {
    warnings.push(
      `${
        part.at("addr")
      } is missing, so that port 80 is used; write an address such as ":9090"`,
    );
    listen = { host: "0.0.0.0", port: 80 };
  }
  return {
    // A file without a word on the proxy comes from a desktop: it is for its own user.
    listen: listen ?? { host: "127.0.0.1", port: 9090 },
    ...url === undefined ? {} : { baseUrl: url },
    basePath: path,
    name: proxy?.name || "mcp-proxy",
    version: proxy?.version || version,
    type: proxy?.type ?? (part ? "sse" : "streamable-http"),
    authTokens: tokens(proxy?.options?.authTokens),
  };
}

function readServer(
  name: string,
  part: Part,
  inherited: ProxyOptions,
  env: Lookup | undefined,
  found: Findings,
): AggregateServer | undefined {
  const entry = readPart(part, serverSchema, SERVER_KEYS, env, found);
  const spec = entry && serverSpec(name, entry, part.at, found);
  if (!spec) return undefined;
  const options = serverOptions(
    name,
    entry.options ?? {},
    inherited,
    part,
    found,
  );
  if (spec.kind === "stdio" && options.forwardHeaders.length > 0) {
    found.warnings.push(
      `${
        part.at("options", "forwardHeaders")
      } has no effect: a child process gets no headers`,
    );
  }
  return { ...spec, options };
}

function serverOptions(
  name: string,
  own: ServerOptions,
  inherited: ProxyOptions,
  part: Part,
  found: Findings,
): AggregateOptions {
  const filter = own.toolFilter &&
    toolFilter(name, own.toolFilter, part, found.warnings);
  return {
    panicIfInvalid: own.panicIfInvalid ?? inherited.panicIfInvalid ?? false,
    logEnabled: own.logEnabled ?? inherited.logEnabled ?? false,
    authTokens: tokens(own.authTokens ?? inherited.authTokens),
    ...filter ? { toolFilter: filter } : {},
    prefix: own.prefix ?? inherited.prefix ?? true,
    forwardHeaders: [
      ...new Set(own.forwardHeaders?.map((one) => one.toLowerCase())),
    ],
  };
}

function tokens(given: readonly string[] = []): string[] {
  given.forEach(hide);
  return [...new Set(given)];
}

function toolFilter(
  name: string,
  { mode = "", list = [] }: NonNullable<ServerOptions["toolFilter"]>,
  part: Part,
  warnings: string[],
): ToolFilter | undefined {
  if (list.length === 0) {
    warnings.push(
      `${
        part.at("options", "toolFilter", "list")
      } is empty, so that nothing is filtered`,
    );
    return undefined;
  }
  const word = mode.trim().toLowerCase();
  if (word === "allow" || word === "block") return { mode: word, list };
  warnings.push(
    `<${name}> Unknown tool filter mode: ${mode}, skipping tool filter (${
      part.at("options", "toolFilter", "mode")
    } must be allow or block)`,
  );
  return undefined;
}

function isDisabled(entry: JsonValue | undefined): boolean {
  return valueOf(entry, "disabled") === true ||
    valueOf(entry, "enabled") === false ||
    valueOf(valueOf(entry, "options"), "disabled") === true;
}
