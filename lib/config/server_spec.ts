/**
 * One upstream server as the user described it.
 *
 * @module
 */

import { splitWords } from "./words.ts";

/** How clients of a server share it: a child for each session, or one for all. */
export type Isolation = "session" | "shared";

/** Which transport a remote server is spoken to with; `auto` finds out. */
export type RemoteTransport = "auto" | "streamable-http" | "sse";

/** A server that is a child process. */
export interface StdioSpec {
  /** The name in URLs, status and log lines. */
  name: string;
  /** Tells the two kinds apart. */
  kind: "stdio";
  /** The program, looked up in `PATH`. */
  command: string;
  /** Its arguments. */
  args: string[];
  /** Variables on top of the base environment. */
  env: Record<string, string>;
  /** The working directory; ours where it is left out. */
  cwd?: string;
  /** Milliseconds that a request may take; none where it is left out. */
  timeoutMs?: number;
  /** Wins over the flag of the command. */
  isolation?: Isolation;
}

/** A server somewhere else. */
export interface RemoteSpec {
  /** The name in URLs, status and log lines. */
  name: string;
  /** Tells the two kinds apart. */
  kind: "remote";
  /** An http(s) URL. */
  url: string;
  /** How to speak to it. */
  transport: RemoteTransport;
  /** Sent with every request. */
  headers: Record<string, string>;
  /** Milliseconds that a request may take; none where it is left out. */
  timeoutMs?: number;
  /** Wins over the flag of the command. */
  isolation?: Isolation;
}

/** One upstream server as the user described it. */
export type ServerSpec = StdioSpec | RemoteSpec;

/** What is wrong with a server's name, as in `must not be empty`; `undefined` if nothing is. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "must not be empty";
  // deno-lint-ignore no-control-regex
  if (/[\x00-\x1f\x7f-\x9f]/.test(name)) {
    return "must not hold control characters";
  }
  if (/[?#\\]/.test(name) || !name.isWellFormed()) {
    return "must not hold ?, # or a backslash";
  }
  if (name.startsWith("/") || name.endsWith("/")) {
    return "must not start or end with a slash";
  }
  for (const segment of name.split("/")) {
    if (segment === "") return "must not hold two slashes in a row";
    if (segment === "." || segment === "..") {
      return `must not have "${segment}" between slashes`;
    }
  }
  return undefined;
}

/**
 * The server that `--named-server NAME COMMAND_STRING` describes; the command is split into words as a POSIX shell
 * does. Throws an `Error` that says what is wrong with the name or the command.
 */
export function namedServer(name: string, commandString: string): StdioSpec {
  const problem = nameProblem(name);
  if (problem) {
    throw new Error(`The name of named server "${name}" ${problem}`);
  }
  let words: string[];
  try {
    words = splitWords(commandString);
  } catch (error) {
    throw new Error(
      `Cannot read the command of named server "${name}": ${
        error instanceof Error ? error.message : error
      }`,
    );
  }
  const [command, ...args] = words;
  if (!command) {
    throw new Error(
      `The command of named server "${name}" is empty: give it as in '${name} "npx -y some-server"'`,
    );
  }
  return { name, kind: "stdio", command, args, env: {} };
}
