import type { World } from "../lib/cli/world.ts";

/** A world in which there is nothing, but what is given. */
export function emptyWorld(given: Partial<World> = {}): World {
  return {
    env: () => undefined,
    environment: () => ({}),
    onhangup: () => {},
    print: () => {},
    shutdown: new AbortController().signal,
    stderrIsTerminal: false,
    legacy: false,
    ...given,
  };
}
