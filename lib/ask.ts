/**
 * `ask`: a model as a tool.
 *
 * @module
 */
import {
  type FlagTable,
  maybe,
  one,
  readBoolean,
  text,
  toggle,
} from "./cli/flags.ts";
import { helpText } from "./cli/help.ts";
import { applyLogFlags, logFlags } from "./cli/log_flags.ts";
import { parseFlags, type Usage } from "./cli/parse.ts";
import { tlsFlags, tlsTrust } from "./cli/tls_flags.ts";
import { EXIT, UsageError } from "./cli/usage.ts";
import type { World } from "./cli/world.ts";
import { log } from "./log.ts";
import { Messages } from "./model/messages.ts";
import { ModelServer } from "./model/server.ts";
import {
  DEFAULTS,
  readAuth,
  readBaseUrl,
  readHeader,
  readRetries,
  readSettings,
  readTimeout,
  type Settings,
} from "./model/settings.ts";
import type { Fetch } from "./wire/target.ts";
import { ownPipes, Stdio, type StdioPipes } from "./wire/stdio.ts";
import { openTrust } from "./wire/tls.ts";

const flags = {
  baseUrl: one(
    readBaseUrl,
    "Address of the Messages API, with or without /v1/messages",
    {
      value: "URL",
      env: "CLAUDE_MCP_BASE_URL",
    },
  ),
  model: one(text, "The model that answers where a call names none", {
    value: "NAME",
    env: "CLAUDE_MCP_MODEL",
    shown: DEFAULTS.model,
  }),
  timeout: one(
    readTimeout,
    "Longest wait for an answer, or for the next piece of one that is streamed; the variable is in ms",
    {
      value: "DURATION",
      env: "CLAUDE_MCP_TIMEOUT_MS",
      shown: "60s",
    },
  ),
  maxRetries: one(
    readRetries,
    "How often a request is sent again after a passing failure",
    {
      value: "N",
      env: "CLAUDE_MCP_MAX_RETRIES",
      shown: `${DEFAULTS.maxRetries}`,
    },
  ),
  auth: one(readAuth, "How the key is sent: x-api-key or bearer", {
    value: "KIND",
    env: "CLAUDE_MCP_AUTH",
    shown: DEFAULTS.auth,
  }),
  anthropicVersion: one(readHeader, "Value of the anthropic-version header", {
    value: "DATE",
    env: "CLAUDE_MCP_ANTHROPIC_VERSION",
    shown: DEFAULTS.anthropicVersion,
  }),
  cache: maybe(
    readBoolean,
    "Mark a long system text for the prompt cache: on or off; --no-cache is the same as off",
    {
      bare: true,
      off: false,
      accepts: (word) => /^(?:on|off|true|false)$/i.test(word),
      env: "CLAUDE_MCP_CACHE",
      shown: "on",
    },
  ),
  check: toggle(
    "Ask the model for one token, tell what works, and exit with 0 or 1",
  ),
  ...tlsFlags,
  ...logFlags,
} satisfies FlagTable;

const usage: Usage<typeof flags> = {
  line: "mcp-proxy ask [flags]",
  about:
    "Serves the tool ask_model over stdin and stdout: a prompt goes to a model, its answer comes back.",
  flags,
  notes:
    "The key of the API stands in CLAUDE_MCP_API_KEY; there is no flag for it. A flag wins over its variable.",
  examples: [
    "CLAUDE_MCP_BASE_URL=https://api.anthropic.com CLAUDE_MCP_API_KEY=… mcp-proxy ask",
    "CLAUDE_MCP_API_KEY=… mcp-proxy ask --base-url https://gateway.example/v1 --auth bearer --check",
  ],
};

/** What `mcp-proxy ask --help` says. */
export const help: string = helpText(usage);

/** How long the client may take to read the last answers, in ms. */
const MAX_FLUSH = 2000;

/** Serves until the client closes its end or `world.shutdown`; resolves with the exit code. Throws where a setting is wrong. */
export async function run(
  args: string[],
  world: World,
  pipes: StdioPipes = ownPipes,
): Promise<number> {
  refuseKey(args);
  // The variables are read later, for a wrong one is no wrong command line.
  const { flags: given, words } = parseFlags(usage, args, {
    env: () => undefined,
    legacy: world.legacy,
  });
  if (words.length > 0) {
    throw new UsageError(
      `${JSON.stringify(words[0])} is one word too many: ask takes only flags`,
      { usage: usage.line },
    );
  }
  applyLogFlags(given, world);
  const settings = readSettings(given, world.env);
  const trust = await openTrust(tlsTrust(given), world.env);
  try {
    if (given.check) {
      const { check } = await import("./model/check.ts");
      return await check(settings, trust.fetch, world.shutdown)
        ? EXIT.done
        : EXIT.failed;
    }
    await serve(settings, trust.fetch, world, pipes);
    return EXIT.done;
  } finally {
    trust.close();
  }
}

async function serve(
  settings: Settings,
  send: Fetch,
  world: World,
  pipes: StdioPipes,
): Promise<void> {
  const server = new ModelServer(new Messages(settings, send), settings.model);
  const stdio = new Stdio(pipes);
  stdio.batches = () => server.version === "2025-03-26";
  const end = () => stdio.close(`${world.shutdown.reason}`);
  world.shutdown.addEventListener("abort", end, { once: true });
  if (world.shutdown.aborted) end();
  log.debug(
    `${settings.model} at ${settings.url} is served on stdin and stdout`,
  );
  await stdio.run(server);
  world.shutdown.removeEventListener("abort", end);
  server.leave();
  await stdio.flush(MAX_FLUSH);
}

/** Command lines can be read by others on the machine. */
function refuseKey(args: string[]): void {
  const flag = args.find((word) =>
    /^--?(?:x-)?(?:api-?)?(?:key|token)\b/i.test(word)
  );
  if (flag === undefined) return;
  throw new UsageError(
    "There is no flag for the key, because others can read command lines: set CLAUDE_MCP_API_KEY",
    { usage: usage.line },
  );
}
