/**
 * The file of `--named-server-config`. It brings zod with it, which takes its time to load: import this module only when
 * there is such a file.
 *
 * @module
 */

import { log } from "../log.ts";
import {
  ConfigError,
  isObject,
  type JsonValue,
  parseConfig,
  pathText,
  readConfigText,
} from "./config_file.ts";
import { type At, unknownKeys } from "./keys.ts";
import { describeIssue, serverEntry, serverSpec } from "./server_entry.ts";
import { nameProblem, type ServerSpec } from "./server_spec.ts";

/** What a config of named servers comes to. */
export interface NamedServers {
  /** The servers to run, in the order of the file. */
  readonly servers: ServerSpec[];
  /** The names of those that are switched off. */
  readonly disabled: string[];
  /** What is odd, but no error. */
  readonly warnings: string[];
}

/** Reads the file of `--named-server-config` and logs what is odd in it. Throws a {@link ConfigError}. */
export async function readNamedServers(file: string): Promise<ServerSpec[]> {
  const { servers, disabled, warnings } = parseNamedServers(
    await readConfigText(file),
    file,
  );
  for (const warning of warnings) {
    log.warn(`Config ${JSON.stringify(file)}: ${warning}`);
  }
  for (const name of disabled) {
    log.info(`Named server "${name}" is not enabled. Skipping.`);
  }
  return servers;
}

/**
 * Reads the text of such a file. What is wrong with any server that is not switched off is an error; all of it is
 * named at once. Throws a {@link ConfigError}.
 */
export function parseNamedServers(text: string, file: string): NamedServers {
  const config = parseConfig(text, file);
  const servers = isObject(config) ? config.mcpServers : undefined;
  if (!isObject(config) || servers === undefined) {
    throw new ConfigError(file, ['it has no "mcpServers" object']);
  }
  if (!isObject(servers)) {
    throw new ConfigError(file, ["mcpServers must be an object"]);
  }
  const found: NamedServers = { servers: [], disabled: [], warnings: [] };
  const problems: string[] = [];
  found.warnings.push(...unknownKeys(config, ["mcpServers", "$schema"], []));
  for (const [name, value] of Object.entries(servers)) {
    readEntry(name, value, found, problems);
  }
  // A misspelt key is often why another one is missing.
  if (problems.length > 0) {
    throw new ConfigError(file, [...problems, ...found.warnings]);
  }
  return found;
}

function readEntry(
  name: string,
  value: JsonValue | undefined,
  found: NamedServers,
  problems: string[],
): void {
  const path = ["mcpServers", name];
  const at: At = (...more) => pathText([...path, ...more]);
  if (!isObject(value)) {
    problems.push(`${at()} must be an object`);
    return;
  }
  if (value.enabled === false || value.disabled === true) {
    found.disabled.push(name);
    return;
  }
  const wrong = nameProblem(name);
  if (wrong) problems.push(`The name of ${at()} ${wrong}`);
  found.warnings.push(
    ...unknownKeys(value, Object.keys(serverEntry.shape), path),
  );
  const result = serverEntry.safeParse(value);
  if (!result.success) {
    problems.push(
      ...result.error.issues.map((issue) => describeIssue(issue, value, at)),
    );
    return;
  }
  const { warnings } = found;
  const spec = serverSpec(name, result.data, at, { problems, warnings });
  if (spec) found.servers.push(spec);
}
