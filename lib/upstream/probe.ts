import {
  isModernError,
  LATEST_LEGACY,
  LATEST_MODERN,
  META,
} from "../mcp/eras.ts";
import { type Relay, ServerError } from "../relay/relay.ts";
import type { ModernServer } from "../wire/modern_server.ts";
import { version } from "../version.ts";

/** A modern server, for those who join several into one. */
export interface ModernUpstream extends ModernServer {
  /** The relay in front of it. */
  relay: Relay;
  /** The `_meta` of requests of our own. */
  envelope: Record<string, unknown>;
  /** The result of `server/discover`; empty where it gave none. */
  discovered: Record<string, unknown>;
}

/** After how many ms without an answer to `server/discover` a server is also asked in the legacy way. */
const PATIENCE = 3000;
/** For how many ms a server's list of tools is not asked for again. */
const TOOLS_FRESH = 5000;

const OURSELVES = { name: "mcp-proxy", version };
const ENVELOPE = {
  [META.protocolVersion]: LATEST_MODERN,
  [META.clientCapabilities]: {},
  [META.clientInfo]: OURSELVES,
};

/**
 * Finds out whether a server speaks the modern era (2026-07-28, versioning: probing), and gives it where it does. The
 * first thing that it hears is `server/discover`, in an envelope: a process of an SDK takes its era from the first
 * message, and some legacy ones end at it. So `open` must give a relay that no session waits for; it is called with
 * `true` where another one is needed, because the first has not survived. Rejects where the server cannot be asked.
 */
export async function probeEra(
  open: (again: boolean) => Relay,
): Promise<ModernUpstream | undefined> {
  const relay = open(false);
  try {
    const found = await versionsOf(relay, open);
    if (found === "legacy") {
      void relay.close("speaks only legacy versions");
      return undefined;
    }
    const { supportedVersions } = found;
    return {
      receiver: relay.join({ push() {}, close() {} }, false),
      relay,
      envelope: ENVELOPE,
      discovered: found,
      // A server that refused our envelope speaks the era all the same.
      versions: Array.isArray(supportedVersions)
        ? supportedVersions
        : [LATEST_MODERN],
      tool: toolFinder(relay),
    };
  } catch (cause) {
    void relay.close("could not be asked");
    throw cause;
  }
}

type Discovered = Record<string, unknown>;

async function versionsOf(
  relay: Relay,
  open: (again: boolean) => Relay,
): Promise<Discovered | "legacy"> {
  const { promise: patience, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, PATIENCE, undefined);
  const discovered = discover(relay);
  const early = await Promise.race([discovered, patience]);
  clearTimeout(timer);
  if (early) return early;
  const greeted = greet(relay, open);
  return Promise.race([
    discovered.then((found) => found ?? greeted),
    greeted,
  ]);
}

// Silence, or an end, says nothing: the legacy question decides, and if it has to be in a process of its own.
async function greet(
  relay: Relay,
  open: (again: boolean) => Relay,
): Promise<Discovered | "legacy"> {
  const again = relay.closedReason === "" ? undefined : open(true);
  const params = {
    protocolVersion: LATEST_LEGACY,
    capabilities: {},
    clientInfo: OURSELVES,
  };
  try {
    await (again ?? relay).ask("initialize", params);
    return "legacy";
  } catch (cause) {
    const modern = cause instanceof ServerError && isModernError(cause.code);
    if (!again && modern) return {};
    throw cause;
  } finally {
    void again?.close("was only asked for its era");
  }
}

// `undefined` where no answer came: from a server that is gone, or that gave none in its time.
async function discover(
  relay: Relay,
): Promise<Discovered | "legacy" | undefined> {
  try {
    const answer = await relay.ask("server/discover", { _meta: ENVELOPE });
    return answer.value(answer.resultAt, answer.resultEnd) as Discovered;
  } catch (cause) {
    if (!(cause instanceof ServerError)) return undefined;
    return isModernError(cause.code) ? {} : "legacy";
  }
}

// Finds a tool in the server's list, which is asked for anew when a name is not in it, but not all the time.
function toolFinder(relay: Relay): ModernServer["tool"] {
  let tools: Map<string, { inputSchema?: unknown }> = new Map();
  let asked = -Infinity;
  return async (name) => {
    if (tools.has(name) || performance.now() - asked < TOOLS_FRESH) {
      return tools.get(name);
    }
    asked = performance.now();
    const found: typeof tools = new Map();
    let cursor: string | undefined;
    for (let page = 0; page < 100; page++) {
      // deno-lint-ignore no-await-in-loop -- pages come one after the other
      const answer = await relay.ask("tools/list", {
        ...cursor === undefined ? {} : { cursor },
        _meta: ENVELOPE,
      });
      const result = answer.value(answer.resultAt, answer.resultEnd) as {
        tools?: { name: string; inputSchema?: unknown }[];
        nextCursor?: string;
      };
      for (const tool of result.tools ?? []) found.set(tool.name, tool);
      cursor = result.nextCursor;
      if (cursor === undefined) break;
    }
    tools = found;
    return tools.get(name);
  };
}
