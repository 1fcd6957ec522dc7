/**
 * `mcp-proxy`: a proxy for the Model Context Protocol in one program.
 *
 * ```sh
 * mcp-proxy bridge https://example.com/mcp
 * mcp-proxy serve --port 8080 -- npx -y some-mcp-server
 * ```
 *
 * @module
 */

import { type CommandName, COMMANDS, dispatch } from "./lib/cli/dispatch.ts";
import { overview } from "./lib/cli/overview.ts";
import {
  describeUsageError,
  EXIT,
  Inquiry,
  UsageError,
} from "./lib/cli/usage.ts";
import type { Command, World } from "./lib/cli/world.ts";
import { flushLog, log, writeBehind } from "./lib/log.ts";
import { endingSignals, watchSignals } from "./lib/signals.ts";
import { version } from "./lib/version.ts";

/** The subcommands. Each is loaded when it is called, so that none pays for another. */
const commands: Partial<Record<CommandName, () => Promise<Command>>> = {
  ask: () => import("./lib/ask.ts"),
  aggregate: () => import("./lib/aggregate.ts"),
  bridge: () => import("./lib/bridge.ts"),
  serve: () => import("./lib/serve.ts"),
};

async function main(argv: string[]): Promise<number> {
  const env = (name: string): string | undefined => Deno.env.get(name);
  const help = () => overview(COMMANDS.filter((name) => commands[name]));
  const asked = dispatch(argv, env);
  switch (asked.kind) {
    case "version":
      return print(`mcp-proxy ${version}\n`);
    case "help":
      return print(help());
    case "nothing":
      print(help());
      log.plain(
        "mcp-proxy: Nothing to run: give a command, a URL or a program",
      );
      return EXIT.usage;
  }
  const load = commands[asked.name];
  if (!load) {
    return complain(
      new UsageError(`This version has no command "${asked.name}"`, {
        usage: "mcp-proxy COMMAND [flags] …",
      }),
    );
  }
  const command = await load();
  const shutdown = new AbortController();
  let reload: (() => void) | undefined;
  watchSignals(
    shutdown,
    (code) => Deno.exit(code),
    Deno,
    endingSignals(),
    () => {
      reload?.();
      return reload !== undefined;
    },
  );
  const world: World = {
    env,
    environment: () => Deno.env.toObject(),
    onhangup: (handler) => void (reload = handler),
    print: (text) => void print(text),
    shutdown: shutdown.signal,
    stderrIsTerminal: Deno.stderr.isTerminal(),
    legacy: asked.legacy,
  };
  try {
    return await command.run(asked.args, world);
  } catch (error) {
    if (error instanceof Inquiry) {
      return print(
        error.about === "help" ? command.help : `mcp-proxy ${version}\n`,
      );
    }
    return complain(error, command.help);
  }
}

function print(text: string): number {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) {
      bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
    }
  } catch {
    // The reader has seen enough: `mcp-proxy --help | head -1`.
  }
  return EXIT.done;
}

function complain(error: unknown, help = ""): number {
  if (error instanceof UsageError) {
    if (error.hints.help) print(help);
    log.plain(describeUsageError(error));
    return EXIT.usage;
  }
  report(error);
  return EXIT.failed;
}

function report(error: unknown): void {
  log.error(error instanceof Error ? error.message : String(error));
  if (error instanceof Error && error.stack) log.debug(error.stack);
}

if (import.meta.main) {
  writeBehind();
  // A fault in one session must not end the others.
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    report(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    report(event.error);
  });
  const code = await main(Deno.args).catch(complain);
  await flushLog(1000);
  Deno.exit(code);
}
