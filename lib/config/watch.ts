/**
 * A file that may change.
 *
 * @module
 */

import { log } from "../log.ts";

/** So long, in ms, nothing must have happened to the file before it is looked at: an editor may still be writing. */
const QUIET = 100;
/** A file that never comes to rest is looked at so often, in ms. */
const PATIENCE = 1000;
/** How often, in ms, the file is looked at where the system tells of no change: network drives, links to elsewhere. */
const POLL = 2000;

/** What is asked of the system; a test may have another one. */
export interface WatchOptions {
  /** How often the file is looked at, in ms. */
  poll?: number;
}

/**
 * Calls `onchange` when what the file holds has changed, also where it was replaced, removed and made again, or where a
 * link on the way to it leads elsewhere; not while it is away. Many changes in a short time are one. A call that is still
 * running is waited for. Changes after this function has returned are noticed; the promise resolves when `signal` has
 * ended it, and never rejects.
 */
export function watchFile(
  path: string,
  onchange: () => void | Promise<void>,
  signal: AbortSignal,
  options: WatchOptions = {},
): Promise<void> {
  const watch = new Watch(path, onchange);
  return watch.run(signal, options.poll ?? POLL);
}

class Watch {
  readonly #path: string;
  readonly #onchange: () => void | Promise<void>;
  /** What the file held when it was last looked at. */
  #held: string | undefined;
  /** What it looked like from outside. */
  #shape = "";
  #quiet: ReturnType<typeof setTimeout> | undefined;
  #since = 0;
  #looking: Promise<void> | undefined;
  #again = false;
  #ended = false;

  constructor(path: string, onchange: () => void | Promise<void>) {
    this.#path = path;
    this.#onchange = onchange;
    try {
      this.#held = Deno.readTextFileSync(path);
      this.#shape = shapeOf(Deno.statSync(path));
    } catch {
      // It is away, or not readable, for now.
    }
  }

  async run(signal: AbortSignal, poll: number): Promise<void> {
    if (signal.aborted) return;
    const watchers = this.#watchers();
    const told = watchers.map((watcher) => this.#listen(watcher));
    const timer = setInterval(() => void this.#poll(), poll);
    await new Promise((resolve) => {
      signal.addEventListener("abort", resolve, { once: true });
    });
    this.#ended = true;
    clearInterval(timer);
    clearTimeout(this.#quiet);
    for (const watcher of watchers) close(watcher);
    await Promise.all(told);
    await this.#looking;
  }

  // The directory is watched, for a file that is replaced takes its watch with it; that of the real file as well.
  #watchers(): Deno.FsWatcher[] {
    const directories = new Set([directoryOf(this.#path)]);
    try {
      directories.add(directoryOf(Deno.realPathSync(this.#path)));
    } catch {
      // It is away.
    }
    const watchers: Deno.FsWatcher[] = [];
    for (const directory of directories) {
      try {
        watchers.push(Deno.watchFs(directory, { recursive: false }));
      } catch (error) {
        log.debug(
          `Cannot watch "${directory}": ${error}; looking at it now and then`,
        );
      }
    }
    return watchers;
  }

  async #listen(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) {
        if (event.kind !== "access") this.#stir();
      }
    } catch (error) {
      log.debug(`Cannot watch "${this.#path}" any longer: ${error}`);
    }
  }

  async #poll(): Promise<void> {
    try {
      const shape = shapeOf(await Deno.stat(this.#path));
      if (shape !== this.#shape) this.#stir();
    } catch {
      // It is away.
    }
  }

  #stir(): void {
    if (this.#ended) return;
    const now = performance.now();
    if (this.#quiet === undefined) this.#since = now;
    clearTimeout(this.#quiet);
    const left = Math.max(0, this.#since + PATIENCE - now);
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      this.#again = true;
      this.#looking ??= this.#look();
    }, Math.min(QUIET, left));
  }

  async #look(): Promise<void> {
    while (this.#again && !this.#ended) {
      this.#again = false;
      try {
        const shape = shapeOf(await Deno.stat(this.#path));
        const held = await Deno.readTextFile(this.#path);
        this.#shape = shape;
        if (held === this.#held || this.#ended) continue;
        this.#held = held;
      } catch {
        // It is away; when it is back, there is another event, or the poll sees it.
        this.#shape = "";
        continue;
      }
      try {
        await this.#onchange();
      } catch (error) {
        log.error(error instanceof Error ? error.message : String(error));
      }
    }
    this.#looking = undefined;
  }
}

function shapeOf(info: Deno.FileInfo): string {
  return `${info.dev} ${info.ino} ${info.size} ${info.mtime?.getTime()}`;
}

function directoryOf(path: string): string {
  const at = Deno.build.os === "windows"
    ? Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))
    : path.lastIndexOf("/");
  return at < 0 ? "." : path.slice(0, at) || "/";
}

function close(watcher: Deno.FsWatcher): void {
  try {
    watcher.close();
  } catch {
    // It has ended by itself.
  }
}
