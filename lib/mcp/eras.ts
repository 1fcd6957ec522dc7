/**
 * The two eras of the protocol, their versions, and the error codes that a proxy has to know.
 *
 * @module
 */

/** `legacy`: with `initialize` (2024-11-05 to 2025-11-25); `modern`: an envelope in each request (2026-07-28). */
export type Era = "legacy" | "modern";

/** Versions with a handshake, oldest first. */
export const LEGACY_VERSIONS = [
  "2024-11-05",
  "2025-03-26",
  "2025-06-18",
  "2025-11-25",
] as const;

/** The newest version with a handshake. */
export const LATEST_LEGACY = "2025-11-25";

/** Versions with an envelope, oldest first. */
export const MODERN_VERSIONS = ["2026-07-28"] as const;

/** The newest version with an envelope. */
export const LATEST_MODERN = "2026-07-28";

/** Members of `_meta` that belong to the hop (2026-07-28, basic: `_meta`). */
export const META = {
  protocolVersion: "io.modelcontextprotocol/protocolVersion",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  logLevel: "io.modelcontextprotocol/logLevel",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscriptionId: "io.modelcontextprotocol/subscriptionId",
} as const;

/** Error codes of JSON-RPC and of the 2026-07-28 specification. */
export const CODE = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Headers that differ from the body. */
  headerMismatch: -32020,
  /** A capability that the client did not declare. */
  missingCapability: -32021,
  /** A version that the server does not speak. */
  unsupportedVersion: -32022,
} as const;

/** Whether an error code tells a modern server (2026-07-28, versioning: probing). */
export function isModernError(code: number): boolean {
  return code <= CODE.headerMismatch && code >= CODE.unsupportedVersion;
}

/** Whether a version belongs to the modern era. Versions are dates, so later ones sort behind. */
export function isModern(version: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(version) && version > LATEST_LEGACY;
}
