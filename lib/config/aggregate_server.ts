/**
 * What a config of `aggregate` comes to.
 *
 * @module
 */

import type { ServerSpec } from "./server_spec.ts";

/** Which tools of a server clients see: those that match the list, or all others. */
export interface ToolFilter {
  /** What the list is. */
  readonly mode: "allow" | "block";
  /** Names, and patterns in which `*` stands for any letters. */
  readonly list: readonly string[];
}

/** How a server is offered; none of it needs another process or connection. */
export interface AggregateOptions {
  /** Whether the program ends when the server cannot be started at first. */
  readonly panicIfInvalid: boolean;
  /** Whether its requests are logged. */
  readonly logEnabled: boolean;
  /** Tokens that open it; none where it is open to everybody. */
  readonly authTokens: readonly string[];
  /** Which of its tools there are; all where it is left out. */
  readonly toolFilter?: ToolFilter;
  /** Whether the combined endpoint puts the server's name before those of its tools and prompts. */
  readonly prefix: boolean;
  /** Headers of clients, in lower case, that go on to the server. */
  readonly forwardHeaders: readonly string[];
}

/** One server behind the proxy. */
export type AggregateServer = ServerSpec & {
  /** How it is offered. */
  readonly options: AggregateOptions;
};

/** Which of the two transports is told to people; both are always there. */
export type ProxyType = "sse" | "streamable-http";

/** What a config comes to. */
export interface AggregateConfig {
  /** Where to listen. The port is 0 for any that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** How clients reach the proxy, as in `https://mcp.example.com/api`, without a slash at its end. */
  readonly baseUrl?: string;
  /** The path that all routes are under, not percent-encoded, as in `/api`; `""` for none. */
  readonly basePath: string;
  /** What the proxy calls itself. */
  readonly name: string;
  /** The version that it tells. */
  readonly version: string;
  /** Which transport is told to people. */
  readonly type: ProxyType;
  /** Tokens of servers that have none of their own: what opens the pages that belong to no server. */
  readonly authTokens: readonly string[];
  /** The servers to run, in the order of the file. */
  readonly servers: readonly AggregateServer[];
  /** The names of those that are switched off. */
  readonly disabled: readonly string[];
  /** What is odd, but no error; for the log. */
  readonly warnings: readonly string[];
}

/**
 * What two versions of a server differ in: nothing (`same`), how it is offered (`options`), or what is started
 * (`process`).
 */
export function sameServer(
  a: AggregateServer,
  b: AggregateServer,
): "same" | "options" | "process" {
  const { options: before, ...started } = a;
  const { options: after, ...starts } = b;
  if (ordered(started) !== ordered(starts)) return "process";
  return ordered(before) === ordered(after) ? "same" : "options";
}

/** JSON in which the order of keys does not show. */
function ordered(value: object): string {
  return JSON.stringify(
    value,
    (_, one: unknown) =>
      typeof one === "object" && one !== null && !Array.isArray(one)
        ? Object.fromEntries(
          Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1),
        )
        : one,
  );
}
