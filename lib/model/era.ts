/**
 * What differs between the eras of the protocol: how a client says who it is, and what results carry.
 *
 * @module
 */
import {
  CODE,
  LATEST_LEGACY,
  LEGACY_VERSIONS,
  META,
  MODERN_VERSIONS,
} from "../mcp/eras.ts";
import type { Frame } from "../mcp/frame.ts";
import type { InitializeResult } from "../mcp/sdk.ts";
import { version } from "../version.ts";
import { isRecord } from "./json.ts";

const OURSELVES = { name: "mcp-proxy", title: "Ask a model", version };
const CAPABILITIES = { tools: {} };

/** For how long clients may keep the list of tools, in ms: another start may have another default model. */
const LIST_TTL = 300_000;

/** An error response that a request ends in. */
export class RpcError extends Error {
  /** The JSON-RPC error code. */
  readonly code: number;
  /** More about it, as the specification says for the code. */
  readonly data: unknown;

  /** Says what is wrong with the request. */
  constructor(code: number, message: string, data?: unknown) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.data = data;
  }
}

/**
 * Whether a request is of the modern era: it carries the envelope, or a part of it, or asks what only a modern client
 * asks. Throws an {@linkcode RpcError} where the envelope is not whole (2026-07-28, basic: `_meta`; versioning).
 */
export function checkEra(frame: Frame): boolean {
  const meta = frame.value(frame.metaAt, frame.metaEnd);
  const envelope = isRecord(meta) ? meta : {};
  const requested = envelope[META.protocolVersion];
  const capabilities = envelope[META.clientCapabilities];
  const modern = requested !== undefined || capabilities !== undefined ||
    frame.method === "server/discover";
  if (!modern) return false;
  if (typeof requested !== "string") throw incomplete("protocolVersion");
  if (!MODERN_VERSIONS.some((known) => known === requested)) {
    throw new RpcError(
      CODE.unsupportedVersion,
      `Unsupported protocol version "${requested}"`,
      { supported: MODERN_VERSIONS, requested },
    );
  }
  if (!isRecord(capabilities)) throw incomplete("clientCapabilities");
  return true;
}

function incomplete(part: "protocolVersion" | "clientCapabilities"): RpcError {
  const type = part === "protocolVersion" ? "a string" : "an object";
  return new RpcError(
    CODE.invalidParams,
    `Invalid params: _meta["${META[part]}"] must be ${type}`,
  );
}

/** The answer to `initialize`: the client's version, or the latest where we do not know it (lifecycle). */
export function initialize(params: Record<string, unknown>): InitializeResult {
  const { protocolVersion: wanted } = params;
  if (typeof wanted !== "string") {
    throw new RpcError(
      CODE.invalidParams,
      "Invalid params: protocolVersion must be a string",
    );
  }
  return {
    protocolVersion: LEGACY_VERSIONS.find((known) => known === wanted) ??
      LATEST_LEGACY,
    capabilities: CAPABILITIES,
    serverInfo: OURSELVES,
  };
}

/** The answer to `server/discover`, before {@linkcode complete}. */
export function discover(): Record<string, unknown> {
  return { supportedVersions: MODERN_VERSIONS, capabilities: CAPABILITIES };
}

/** A result as the modern era wants it; one that clients may keep says for how long. */
export function complete(
  result: Record<string, unknown>,
  keep: boolean,
): Record<string, unknown> {
  return {
    resultType: "complete",
    ...keep ? { ttlMs: LIST_TTL, cacheScope: "public" } : {},
    ...result,
    _meta: { [META.serverInfo]: OURSELVES },
  };
}
