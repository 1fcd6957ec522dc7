/**
 * `bridge`: stdio here, a remote server there.
 *
 * @module
 */
import { isUrl } from "./cli/dispatch.ts";
import {
  choice,
  duration,
  type FlagTable,
  one,
  pairs,
  text,
} from "./cli/flags.ts";
import { helpText } from "./cli/help.ts";
import { applyLogFlags, logFlags } from "./cli/log_flags.ts";
import { parseFlags, type Usage } from "./cli/parse.ts";
import { tlsFlags, tlsTrust } from "./cli/tls_flags.ts";
import { UsageError } from "./cli/usage.ts";
import type { World } from "./cli/world.ts";
import { hide, hideNamed, log, maskUrl } from "./log.ts";
import { Relay } from "./relay/relay.ts";
import { version } from "./version.ts";
import {
  type Credential,
  openRemote,
  type RemoteOptions,
} from "./wire/remote.ts";
import { ownPipes, Stdio, type StdioPipes } from "./wire/stdio.ts";
import { openTrust } from "./wire/tls.ts";

const flags = {
  transport: one(
    choice(["auto", "streamablehttp", "sse"], {
      "streamable-http": "streamablehttp",
      http: "streamablehttp",
    }),
    "How to speak to the server: auto, streamablehttp or sse",
    { value: "KIND", default: "auto" },
  ),
  headers: pairs(
    "A header for every request; also 'KEY: VALUE' and KEY=VALUE in one word",
    {
      short: "H",
      also: ["header"],
      separators: "=:",
    },
  ),
  apiAccessToken: one(
    text,
    "Bearer token for the server; better in API_ACCESS_TOKEN",
    { value: "TOKEN", secret: true },
  ),
  clientId: one(text, "OAuth client credentials: the client's id", {
    value: "ID",
  }),
  clientSecret: one(text, "Its secret; better in MCP_PROXY_CLIENT_SECRET", {
    value: "SECRET",
    env: "MCP_PROXY_CLIENT_SECRET",
    secret: true,
  }),
  tokenUrl: one(text, "Where to get the token", { value: "URL" }),
  scope: one(text, "What the token is to be good for", { value: "SCOPES" }),
  timeout: one(
    duration,
    "Longest time for a request without answer or progress",
    { value: "DURATION", shown: "none" },
  ),
  ...tlsFlags,
  ...logFlags,
} satisfies FlagTable;

const usage: Usage<typeof flags> = {
  line: "mcp-proxy bridge [flags] URL",
  about: "Makes a remote MCP server available over stdin and stdout.",
  flags,
  examples: [
    "mcp-proxy bridge https://example.com/mcp",
    "API_ACCESS_TOKEN=… mcp-proxy bridge --transport sse https://example.com/sse",
  ],
  notes: "The URL may also stand in SSE_URL. A flag wins over a variable.",
};

/** What `mcp-proxy bridge --help` says. */
export const help: string = helpText(usage);

/** How long requests that run may go on after the host has closed its end, in ms. */
const MAX_LAST_ANSWERS = 1000;
/** How long the host may take to read the last answers, in ms. */
const MAX_FLUSH = 2000;

/** Bridges until the host closes its end or `world.shutdown`; resolves with the exit code. */
export async function run(
  args: string[],
  world: World,
  pipes: StdioPipes = ownPipes,
): Promise<number> {
  const { flags: given, words } = parseFlags(usage, args, world);
  applyLogFlags(given, world);
  const url = serverUrl(words, world);
  const headers = headersOf(given.headers);
  const trust = await openTrust(tlsTrust(given), world.env);
  const credential = await authorize(given, world, headers, trust.fetch);
  const options: RemoteOptions = {
    url,
    transport: given.transport === "streamablehttp"
      ? "streamable-http"
      : given.transport,
    headers,
    ...credential === undefined ? {} : { credential },
    fetch: trust.fetch,
  };
  const relay = new Relay({
    name: maskUrl(url),
    exclusive: true,
    timeoutMs: given.timeout ?? 0,
  });
  relay.attach(openRemote(options, relay));
  const stdio = new Stdio(pipes);
  const receiver = relay.join(stdio, true);
  stdio.batches = () => receiver.client.version === "2025-03-26";
  const end = () => stdio.close(`${world.shutdown.reason}`);
  world.shutdown.addEventListener("abort", end, { once: true });
  if (world.shutdown.aborted) end();
  await stdio.run(receiver);
  world.shutdown.removeEventListener("abort", end);
  if (!world.shutdown.aborted) await lastAnswers(relay, world.shutdown);
  await stdio.flush(MAX_FLUSH);
  receiver.leave();
  await relay.close("is closed");
  trust.close();
  return 0;
}

/** `printf '…' | mcp-proxy bridge URL`: who has said all may still want to hear the answers. */
async function lastAnswers(relay: Relay, shutdown: AbortSignal): Promise<void> {
  const until = performance.now() + MAX_LAST_ANSWERS;
  while (
    relay.pending.size > 0 && performance.now() < until && !shutdown.aborted
  ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function serverUrl(words: string[], world: World): string {
  const [url = world.env("SSE_URL"), ...more] = words;
  const hints = { usage: usage.line };
  if (url === undefined || url === "") {
    throw new UsageError("there is no URL: give one, or set SSE_URL", {
      ...hints,
      help: true,
    });
  }
  if (more.length > 0) {
    throw new UsageError(
      `"${more[0]}" is one word too many: there is a URL already`,
      hints,
    );
  }
  if (!isUrl(url) || !URL.canParse(url)) {
    throw new UsageError(`"${maskUrl(url)}" is no http(s) URL`, hints);
  }
  return url;
}

function headersOf(pairs: [string, string][]): Record<string, string> {
  const headers: Record<string, string> = {
    "user-agent": `mcp-proxy/${version}`,
  };
  for (const [key, value] of pairs) {
    const name = key.trim().toLowerCase();
    try {
      new Headers([[name, value.trim()]]);
    } catch {
      throw new UsageError(
        `--headers "${key}" is no header: a name or a value holds characters that HTTP does not allow`,
        {
          usage: usage.line,
        },
      );
    }
    hideNamed(name, value.trim());
    headers[name] = value.trim();
  }
  return headers;
}

interface Authorization {
  apiAccessToken: string | undefined;
  clientId: string | undefined;
  clientSecret: string | undefined;
  tokenUrl: string | undefined;
  scope: string | undefined;
}

/** Exactly one `Authorization`: of the flags, one of --headers is the most direct; a flag stands above a variable. */
async function authorize(
  given: Authorization,
  world: World,
  headers: Record<string, string>,
  fetch: RemoteOptions["fetch"],
): Promise<Credential | undefined> {
  const { clientId, clientSecret, tokenUrl, scope } = given;
  const token = given.apiAccessToken ??
    (world.env("API_ACCESS_TOKEN") || undefined);
  if (token !== undefined) hide(token);
  // A secret in the environment alone asks for nothing: it may be there for another command line.
  if (clientId === undefined && tokenUrl === undefined && scope === undefined) {
    if (
      given.clientSecret === undefined ||
      world.env("MCP_PROXY_CLIENT_SECRET") === given.clientSecret
    ) {
      if (
        token !== undefined &&
        (given.apiAccessToken !== undefined ||
          headers["authorization"] === undefined)
      ) {
        if (headers["authorization"] !== undefined) {
          log.warn(
            "--api-access-token stands above the Authorization of --headers",
          );
        }
        headers["authorization"] = `Bearer ${token}`;
      }
      return undefined;
    }
  }
  if (
    clientId === undefined || clientSecret === undefined ||
    tokenUrl === undefined
  ) {
    const missing = [
      clientId === undefined && "--client-id",
      clientSecret === undefined && "--client-secret",
      tokenUrl === undefined && "--token-url",
    ];
    throw new UsageError(
      `--client-id, --client-secret and --token-url belong together: ${
        missing.filter(Boolean).join(" and ")
      } is missing`,
      { usage: usage.line },
    );
  }
  if (!isUrl(tokenUrl) || !URL.canParse(tokenUrl)) {
    throw new UsageError(
      `--token-url "${maskUrl(tokenUrl)}" is no http(s) URL`,
      { usage: usage.line },
    );
  }
  if (given.apiAccessToken !== undefined) {
    throw new UsageError(
      "--api-access-token and --client-id are two ways to get a token: give one of them",
      {
        usage: usage.line,
      },
    );
  }
  const { ClientCredentials } = await import("./auth/client_credentials.ts");
  delete headers["authorization"];
  return new ClientCredentials({
    tokenUrl,
    clientId,
    clientSecret,
    ...scope === undefined ? {} : { scope },
    fetch,
  });
}
