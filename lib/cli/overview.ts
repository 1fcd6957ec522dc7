/**
 * The help of the program as a whole.
 *
 * @module
 */

import { row } from "./help.ts";
import type { CommandName } from "./dispatch.ts";

const ABOUT: Readonly<Record<CommandName, string>> = {
  ask: "A model as a tool: a stdio MCP server in front of the Messages API",
  bridge: "stdio here, a remote MCP server there",
  serve: "Local stdio servers behind HTTP",
  aggregate: "Many servers behind one, from a config file",
};

const FORMER: Readonly<Partial<Record<CommandName, string>>> = {
  bridge: "mcp-proxy [flags] URL",
  serve: "mcp-proxy [flags] CMD …",
  aggregate: "mcp-proxy -config FILE",
};

/** The help that `mcp-proxy --help` shows for these commands, with a line break at its end. */
export function overview(commands: readonly CommandName[]): string {
  return [
    "Usage: mcp-proxy COMMAND [flags] …",
    "",
    "A proxy for the Model Context Protocol. What works with a server directly works through it, unchanged.",
    "",
    "Commands:",
    ...commands.map((name) => row(name, ABOUT[name])),
    "",
    "mcp-proxy COMMAND --help shows the flags of a command. Without a command, the command lines of earlier",
    "programs work as they are:",
    ...commands.flatMap((name) => {
      const line = FORMER[name];
      return line === undefined ? [] : [row(line, `is ${name}`)];
    }),
    "",
    "Flags:",
    row("-h, --help", "Show this help"),
    row("    --version", "Show the version"),
    "",
    "Examples:",
    "  mcp-proxy bridge https://example.com/mcp",
    "  mcp-proxy serve --port 8080 -- npx -y @modelcontextprotocol/server-everything",
    "",
  ].join("\n");
}
