/**
 * `aggregate`: many servers behind one address, from a config file.
 *
 * @module
 */

import { isUrl } from "./cli/dispatch.ts";
import {
  choice,
  duration,
  type FlagTable,
  one,
  text,
  toggle,
  type Values,
} from "./cli/flags.ts";
import { helpText } from "./cli/help.ts";
import { applyLogFlags, logFlags } from "./cli/log_flags.ts";
import { parseFlags, type Usage } from "./cli/parse.ts";
import { tlsFlags, tlsTrust } from "./cli/tls_flags.ts";
import { EXIT, UsageError } from "./cli/usage.ts";
import type { World } from "./cli/world.ts";
import type { ConfigOptions } from "./config/aggregate_config.ts";
import type { AggregateConfig } from "./config/aggregate_server.ts";
import { clientConfig, CLIENTS } from "./config/client_config.ts";
import { localPath, sourceName } from "./config/config_source.ts";
import { serveAggregate } from "./http/aggregate.ts";
import { hideNamed, log } from "./log.ts";
import { openTrust } from "./wire/tls.ts";

const flags = {
  config: one(text, "Config file, or an http(s) URL of one", {
    value: "FILE",
    default: "config.json",
  }),
  checkConfig: toggle("Only check the config: name all problems, run nothing"),
  printClientConfig: one(
    choice(CLIENTS),
    `Only print what a client needs: ${CLIENTS.join(", ")}`,
    { value: "CLIENT" },
  ),
  schema: toggle("Only print the JSON Schema of the config, for editors"),
  watch: toggle("Apply changes of the file while running", { default: true }),
  expandEnv: toggle("Put variables into values: ${VAR}, ${VAR:-default}", {
    default: true,
  }),
  httpHeaders: one(headers, "Headers for the URL of the config", {
    value: "K:V;K2:V2",
    env: "MCP_PROXY_CONFIG_HEADERS",
    secret: true,
  }),
  httpTimeout: one(duration, "How long the URL of the config may take", {
    value: "DURATION",
    default: 10_000,
    shown: "10s",
  }),
  insecure: toggle("Do not check the certificate of the URL of the config"),
  ...tlsFlags,
  ...logFlags,
} satisfies FlagTable;

const usage: Usage<typeof flags> = {
  line: "mcp-proxy aggregate [flags] --config FILE",
  about:
    "Serves many MCP servers over HTTP: each on its own route, and all together on one.",
  flags,
  notes:
    "Flags may have one dash or two. SIGHUP reads the config again, from a URL as well.",
  examples: [
    "mcp-proxy aggregate --config config.json",
    "mcp-proxy aggregate --config https://example.com/config.json --check-config",
    "mcp-proxy aggregate --config config.json --print-client-config vscode",
  ],
  singleDash: true,
};

/** What `mcp-proxy aggregate --help` says. */
export const help: string = helpText(usage);

/** Serves until `world.shutdown`, or does the one thing asked for; resolves with the exit code. Throws where it cannot begin. */
export async function run(args: string[], world: World): Promise<number> {
  const { flags: given, words } = parseFlags(usage, args, world);
  applyLogFlags(given, world);
  refuseWords(words, world.legacy);
  if (given.schema) {
    const { jsonSchema } = await import("./config/aggregate_schema.ts");
    world.print(`${JSON.stringify(jsonSchema(), null, 2)}\n`);
    return EXIT.done;
  }
  const reload = () => read(given, world);
  const config = await reload();
  if (given.checkConfig) {
    const count = config.servers.length + config.disabled.length;
    world.print(`Config OK: ${count} MCP server(s) configured\n`);
    return EXIT.done;
  }
  if (given.printClientConfig !== undefined) {
    world.print(clientConfig(config, given.printClientConfig));
    log.info(
      "The first entry is all servers as one, the others are each by itself: keep what you need",
    );
    return EXIT.done;
  }
  return await serveAggregate(config, {
    reload,
    watch: given.watch && !isUrl(given.config),
    source: isUrl(given.config) ? given.config : localPath(given.config),
    trust: tlsTrust(given),
  }, world);
}

async function read(
  given: Values<typeof flags>,
  world: World,
): Promise<AggregateConfig> {
  // With it comes zod, which the help need not wait for.
  const { readAggregateConfig } = await import("./config/aggregate_config.ts");
  const options: ConfigOptions = {
    headers: given.httpHeaders ?? [],
    timeoutMs: given.httpTimeout,
    ...given.expandEnv ? { env: world.env } : {},
  };
  if (!isUrl(given.config)) {
    return told(await readAggregateConfig(given.config, options), given.config);
  }
  const trust = await openTrust(
    given.insecure ? { verify: false, caFiles: [] } : tlsTrust(given),
    world.env,
  );
  try {
    const { fetch } = trust;
    const config = await readAggregateConfig(given.config, {
      ...options,
      fetch,
    });
    return told(config, given.config);
  } finally {
    trust.close();
  }
}

function told(config: AggregateConfig, source: string): AggregateConfig {
  const file = JSON.stringify(sourceName(source));
  for (const warning of config.warnings) log.warn(`Config ${file}: ${warning}`);
  return config;
}

function refuseWords(words: readonly string[], legacy: boolean): void {
  const [word] = words;
  if (word === undefined) return;
  const shown = JSON.stringify(word);
  if (legacy) {
    log.warn(`${shown} is ignored: the servers stand in the config`);
    return;
  }
  throw new UsageError(
    `${shown} is neither a flag nor the value of one: the servers stand in the config`,
    { usage: usage.line, suggestion: `--config ${word}` },
  );
}

function headers(word: string): [name: string, value: string][] {
  return word.split(";").filter((part) => part.trim() !== "").map((part) => {
    const at = part.indexOf(":");
    const name = part.slice(0, at).trim();
    const value = part.slice(at + 1).trim();
    try {
      if (at < 0) throw new TypeError();
      new Headers([[name, value]]);
    } catch {
      throw new Error(
        "must be headers such as 'Authorization:Bearer abc;X-Team:dev'",
      );
    }
    hideNamed(name, value);
    return [name, value];
  });
}
