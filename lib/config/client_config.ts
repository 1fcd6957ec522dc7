/**
 * What clients have to be told to use the proxy, as they want it written.
 *
 * @module
 */

import type { AggregateConfig } from "./aggregate_server.ts";

/** Programs whose config can be written. */
export const CLIENTS = [
  "claude",
  "claude-desktop",
  "vscode",
  "cursor",
] as const;

/** A program whose config can be written. */
export type ClientName = typeof CLIENTS[number];

/** One way into the proxy. */
interface Way {
  /** What the client calls it. */
  name: string;
  url: string;
  /** The variable that holds a token for it; none where it is open. */
  variable?: string;
}

/**
 * The config of a client, as JSON: all servers as one, and each by itself. Tokens do not stand in it, only the variables
 * that hold them. Throws an `Error` where the address is not known before the proxy runs.
 */
export function clientConfig(
  config: AggregateConfig,
  client: ClientName,
): string {
  const ways = waysInto(config);
  const entries = (entry: (way: Way) => object) =>
    Object.fromEntries(ways.map((way) => [way.name, entry(way)]));
  const type = config.type === "sse" ? "sse" : "http";
  switch (client) {
    case "claude":
      return json({
        mcpServers: entries(({ url, variable }) => ({
          type,
          url,
          ...bearer(variable && `\${${variable}}`),
        })),
      });
    case "claude-desktop":
      return json({
        mcpServers: entries(({ url, variable }) => ({
          command: "mcp-proxy",
          args: ["bridge", url],
          // This program puts in no variables: the token has to be written here.
          ...variable ? { env: { API_ACCESS_TOKEN: `<${variable}>` } } : {},
        })),
      });
    case "cursor":
      return json({
        mcpServers: entries(({ url, variable }) => ({
          url,
          ...bearer(variable && `\${env:${variable}}`),
        })),
      });
    case "vscode": {
      const variables = new Set(ways.flatMap(({ variable }) => variable ?? []));
      return json({
        servers: entries(({ url, variable }) => ({
          type,
          url,
          ...bearer(variable && `\${input:${variable}}`),
        })),
        ...variables.size === 0 ? {} : {
          inputs: [...variables].map((id) => ({
            type: "promptString",
            id,
            description: `Token of ${config.name}`,
            password: true,
          })),
        },
      });
    }
  }
}

/** The URL that the proxy's routes are under, as clients reach it. Throws where the port is not known. */
export function publicUrl(
  config: Pick<AggregateConfig, "listen" | "baseUrl" | "basePath">,
): string {
  if (config.baseUrl !== undefined) return config.baseUrl;
  const { host, port } = config.listen;
  if (port === 0) {
    throw new Error(
      "The URL is known only when the proxy runs: write a port into mcpProxy.addr, or a URL into mcpProxy.baseURL",
    );
  }
  const shown = /^(?:0\.0\.0\.0|::)$/.test(host)
    ? "localhost"
    : host.includes(":")
    ? `[${host}]`
    : host;
  return new URL(`http://${shown}:${port}`).origin +
    encodeURI(config.basePath);
}

function waysInto(config: AggregateConfig): Way[] {
  const root = publicUrl(config);
  const route = config.type === "sse" ? "sse" : "mcp";
  const closed =
    config.servers.some(({ options }) => options.authTokens.length > 0) ||
    config.authTokens.length > 0;
  const taken = new Set<string>();
  const ways: Way[] = [{
    name: plainName(config.name.toLowerCase(), taken),
    url: `${root}/${route}`,
    ...closed ? { variable: "MCP_PROXY_TOKEN" } : {},
  }];
  for (const { name, options: { authTokens } } of config.servers) {
    const own = plainName(name, taken);
    const inherited = authTokens.join("\n") === config.authTokens.join("\n");
    const variable = inherited
      ? "MCP_PROXY_TOKEN"
      : `MCP_PROXY_TOKEN_${own.replace(/\W/g, "_").toUpperCase()}`;
    ways.push({
      name: own,
      url: `${root}/${encodeURI(name)}/${route}`,
      ...authTokens.length > 0 ? { variable } : {},
    });
  }
  return ways;
}

// Clients refuse names with other letters.
function plainName(name: string, taken: Set<string>): string {
  const plain = name.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-|-$/g, "") ||
    "mcp-proxy";
  let free = plain;
  for (let n = 2; taken.has(free); n++) free = `${plain}-${n}`;
  taken.add(free);
  return free;
}

function bearer(token: string | undefined): object {
  return token ? { headers: { Authorization: `Bearer ${token}` } } : {};
}

function json(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
