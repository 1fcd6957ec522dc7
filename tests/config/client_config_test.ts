import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseAggregateConfig } from "../../lib/config/aggregate_config.ts";
import type { AggregateConfig } from "../../lib/config/aggregate_server.ts";
import { clientConfig, CLIENTS } from "../../lib/config/client_config.ts";

const command = "x";
const CONFIG = {
  mcpProxy: {
    baseURL: "https://mcp.example.com/api",
    addr: ":9090",
    name: "MCP Proxy",
    type: "streamable-http",
    options: { authTokens: ["default-secret"] },
  },
  mcpServers: {
    fetch: { command },
    "git hub/a": { command, options: { authTokens: ["own-secret"] } },
    open: { command, options: { authTokens: [] } },
    "mcp-proxy": { command },
    off: { disabled: true },
  },
};

function read(config: unknown): AggregateConfig {
  return parseAggregateConfig(JSON.stringify(config), "x.json");
}

Deno.test("each client is told its own way to write it", () => {
  const of = (client: typeof CLIENTS[number]) =>
    JSON.parse(clientConfig(read(CONFIG), client));
  const base = "https://mcp.example.com/api";
  const claude = of("claude").mcpServers;
  assertEquals(claude, {
    "mcp-proxy": {
      type: "http",
      url: `${base}/mcp`,
      headers: { Authorization: "Bearer ${MCP_PROXY_TOKEN}" },
    },
    fetch: {
      type: "http",
      url: `${base}/fetch/mcp`,
      headers: { Authorization: "Bearer ${MCP_PROXY_TOKEN}" },
    },
    "git-hub-a": {
      type: "http",
      url: `${base}/git%20hub/a/mcp`,
      headers: { Authorization: "Bearer ${MCP_PROXY_TOKEN_GIT_HUB_A}" },
    },
    open: { type: "http", url: `${base}/open/mcp` },
    "mcp-proxy-2": {
      type: "http",
      url: `${base}/mcp-proxy/mcp`,
      headers: { Authorization: "Bearer ${MCP_PROXY_TOKEN}" },
    },
  });
  assertEquals(of("cursor").mcpServers.fetch, {
    url: `${base}/fetch/mcp`,
    headers: { Authorization: "Bearer ${env:MCP_PROXY_TOKEN}" },
  });
  assertEquals(of("claude-desktop").mcpServers.fetch, {
    command: "mcp-proxy",
    args: ["bridge", `${base}/fetch/mcp`],
    env: { API_ACCESS_TOKEN: "<MCP_PROXY_TOKEN>" },
  });
  const vscode = of("vscode");
  assertEquals(vscode.servers.fetch, {
    type: "http",
    url: `${base}/fetch/mcp`,
    headers: { Authorization: "Bearer ${input:MCP_PROXY_TOKEN}" },
  });
  assertEquals(vscode.inputs.map(({ id }: { id: string }) => id), [
    "MCP_PROXY_TOKEN",
    "MCP_PROXY_TOKEN_GIT_HUB_A",
  ]);
  for (const client of CLIENTS) {
    assert(!clientConfig(read(CONFIG), client).includes("secret"), client);
  }
});

Deno.test("the URL is that of the address where no base URL is given", () => {
  const url = (mcpProxy: object) => {
    const config = read({ mcpProxy, mcpServers: {} });
    const [entry] = Object.values<{ url: string }>(
      JSON.parse(clientConfig(config, "cursor")).mcpServers,
    );
    return entry?.url;
  };
  assertEquals(url({ addr: ":9090" }), "http://localhost:9090/sse");
  assertEquals(url({ addr: ":80" }), "http://localhost/sse");
  assertEquals(url({ addr: "[::1]:1" }), "http://[::1]:1/sse");
  assertEquals(
    url({ addr: "10.0.0.1:1", baseURL: "/a b", type: "streamable-http" }),
    "http://10.0.0.1:1/a%20b/mcp",
  );
  assertThrows(
    () => url({ addr: ":0" }),
    Error,
    "write a port into mcpProxy.addr",
  );
});
