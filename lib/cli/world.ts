/**
 * What a command is given of the world outside, so that a test can give it another one.
 *
 * @module
 */

/** The world as a command sees it. */
export interface World {
  /** The value of an environment variable, or `undefined` where it is not set. */
  env(name: string): string | undefined;
  /** The whole environment, for children that are to have it. */
  environment(): Record<string, string>;
  /** Aborted when the program is asked to end; the reason is the name of the signal. */
  readonly shutdown: AbortSignal;
  /** Calls `reload` at each SIGHUP from now on, which then is no reason to end. */
  onhangup(reload: () => void): void;
  /** Writes to stdout what was asked for; never anything else. */
  print(text: string): void;
  /** Whether a person may be looking at stderr. */
  readonly stderrIsTerminal: boolean;
  /** Whether the command line has no subcommand: flags may then stand after the child's command, as they used to. */
  readonly legacy: boolean;
}

/** A subcommand: its help, and the way to run it. */
export interface Command {
  /** The whole help text, with a line break at its end. */
  readonly help: string;
  /**
   * Runs the command and resolves to the exit code. Throws a `UsageError` where the command line is wrong, any other
   * error where the command failed.
   */
  run(args: string[], world: World): Promise<number>;
}
