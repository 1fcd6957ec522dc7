/**
 * The parts of a config of `aggregate`, wherever they stand: in `mcpProxy` and `mcpServers`, or, in its old form, in
 * `server` and `clients`.
 *
 * @module
 */

import { isObject, type JsonValue, pathText } from "./config_file.ts";
import type { Part } from "./config_part.ts";
import { type At, type Findings, type KeyTree, withKnownKeys } from "./keys.ts";

/** The parts of a config. */
export interface Parts {
  /** `mcpProxy`. */
  readonly proxy: Part | undefined;
  /** `mcpServers`, by name. */
  readonly servers: ReadonlyMap<string, Part>;
}

const KEYS: KeyTree = {
  mcpProxy: null,
  mcpServers: null,
  server: null,
  clients: null,
  servers: 'is not known and ignored; did you mean "mcpServers"?',
  $schema: null,
};

const SERVER_KEYS: KeyTree = {
  baseURL: null,
  addr: null,
  name: null,
  version: null,
  globalAuthTokens: null,
};

const CLIENT_KEYS: KeyTree = {
  type: null,
  config: null,
  panicIfInvalid: null,
  logEnabled: null,
  authTokens: null,
};

/** Takes a config apart. Says in `found` what is missing, odd, or in the old form. */
export function configParts(config: JsonValue, found: Findings): Parts {
  const top = withKnownKeys(config, KEYS, at([]), found.warnings);
  if (!isObject(top)) {
    found.problems.push('it must be an object with "mcpServers" in it');
    return { proxy: undefined, servers: new Map() };
  }
  const { mcpProxy, mcpServers, server, clients } = top;
  const hasServers = isObject(mcpServers)
    ? Object.keys(mcpServers).length > 0
    : mcpServers !== undefined;
  if (server !== undefined) {
    found.warnings.push(replaced("server", "mcpProxy", mcpProxy !== undefined));
  }
  if (clients !== undefined) {
    found.warnings.push(replaced("clients", "mcpServers", hasServers));
  }
  const oldServer = formerServer(server, found);
  const oldClients = hasServers || clients === undefined
    ? undefined
    : formerClients(clients, oldServer?.tokens, found);
  if (mcpServers === undefined && clients === undefined) {
    if (mcpProxy === undefined && server === undefined) {
      found.problems.push(
        'mcpServers is missing: list the servers in it, as in {"mcpServers": {"fetch": {"command": "uvx", "args": ["mcp-server-fetch"]}}}',
      );
    } else found.warnings.push("mcpServers is missing: there is no server");
  }
  return {
    proxy: mcpProxy === undefined
      ? oldServer?.part
      : { value: mcpProxy, at: at(["mcpProxy"]) },
    servers: oldClients ?? entries(mcpServers, found),
  };
}

function replaced(old: string, now: string, both: boolean): string {
  return both
    ? `${old} is ignored, because ${now} is there`
    : `${old} is the old form and is read as ${now}: see --schema for what may stand there`;
}

function at(before: readonly PropertyKey[]): At {
  return (...path) => pathText([...before, ...path]);
}

function entries(
  value: JsonValue | undefined,
  found: Findings,
): Map<string, Part> {
  const parts = new Map<string, Part>();
  if (value === undefined) return parts;
  if (!isObject(value)) {
    found.problems.push(
      "mcpServers must be an object with a server under each name",
    );
    return parts;
  }
  for (const [name, one] of Object.entries(value)) {
    parts.set(name, { value: one, at: at(["mcpServers", name]) });
  }
  return parts;
}

function formerServer(
  value: JsonValue | undefined,
  found: Findings,
): { part: Part; tokens: JsonValue | undefined } | undefined {
  if (value === undefined) return undefined;
  const known = withKnownKeys(
    value,
    SERVER_KEYS,
    at(["server"]),
    found.warnings,
  );
  if (!isObject(known)) {
    return { part: { value: known, at: at(["server"]) }, tokens: undefined };
  }
  const { globalAuthTokens: tokens, ...rest } = known;
  const part = {
    value: { ...rest, ...options({ authTokens: tokens }) },
    at: (...path: PropertyKey[]) =>
      path[0] === "options"
        ? pathText(["server", "globalAuthTokens", ...path.slice(2)])
        : pathText(["server", ...path]),
  };
  return { part, tokens };
}

function formerClients(
  value: JsonValue,
  globalTokens: JsonValue | undefined,
  found: Findings,
): Map<string, Part> {
  const parts = new Map<string, Part>();
  if (!isObject(value)) {
    found.problems.push(
      "clients must be an object with a server under each name",
    );
    return parts;
  }
  for (const [name, one] of Object.entries(value)) {
    const path = ["clients", name];
    const known = withKnownKeys(one, CLIENT_KEYS, at(path), found.warnings);
    if (!isObject(known)) {
      parts.set(name, { value: known, at: at(path) });
      continue;
    }
    const { type, config, authTokens, ...rest } = known;
    if (!isObject(config)) {
      found.problems.push(
        `${
          pathText([...path, "config"])
        } must be an object with the command or the url`,
      );
      continue;
    }
    const own = Array.isArray(authTokens) ? authTokens.length : 0;
    const tokens = union(authTokens, globalTokens);
    parts.set(name, {
      value: {
        ...config,
        ...type === undefined ? {} : { transportType: type },
        ...options({ ...rest, authTokens: tokens }),
      },
      at: (first, second, third, ...more) => {
        if (first === undefined) return pathText(path);
        if (first === "transportType") return pathText([...path, "type"]);
        if (first !== "options") {
          const whole = [first, second, third, ...more];
          return pathText([
            ...path,
            "config",
            ...whole.filter((key) => key !== undefined),
          ]);
        }
        if (
          second === "authTokens" && typeof third === "number" && third >= own
        ) {
          return pathText(["server", "globalAuthTokens", third - own]);
        }
        const inner = [second, third, ...more];
        return pathText([
          ...path,
          ...inner.filter((key) => key !== undefined),
        ]);
      },
    });
  }
  return parts;
}

/** In the old form the tokens of all open each server beside its own. */
function union(
  own: JsonValue | undefined,
  all: JsonValue | undefined,
): JsonValue | undefined {
  if (own === undefined) return all;
  return Array.isArray(own) && Array.isArray(all) ? [...own, ...all] : own;
}

function options(
  values: Record<string, JsonValue | undefined>,
): { options?: Record<string, JsonValue | undefined> } {
  const given = Object.entries(values).filter(([, one]) => one !== undefined);
  return given.length === 0 ? {} : { options: Object.fromEntries(given) };
}
