/**
 * The one door to the MCP SDK. Its packages name type files that do not exist, so that without these annotations every
 * import would silently be `any`.
 *
 * Only types pass: at run time the SDK's classes would more than double the start of a command.
 *
 * @module
 */

// @ts-types="npm:@modelcontextprotocol/sdk@^1.32.2/types"
export type {
  CallToolResult,
  InitializeResult,
  ListToolsResult,
  ProgressNotification,
  Tool,
} from "@modelcontextprotocol/sdk/types.js";
