import type { World } from "../cli/world.ts";

/** What a child is given of our environment unless it is to have all of it: enough to find programs and a home. */
const BASE = Deno.build.os === "windows"
  ? [
    "APPDATA",
    "HOMEDRIVE",
    "HOMEPATH",
    "LOCALAPPDATA",
    "PATH",
    "PATHEXT",
    "PROCESSOR_ARCHITECTURE",
    "PROGRAMFILES",
    "SYSTEMDRIVE",
    "SYSTEMROOT",
    "TEMP",
    "USERNAME",
    "USERPROFILE",
  ]
  : ["HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];

/** The environment of a child: the base set or all of ours, and on top of it what is configured. */
export function childEnvironment(
  world: World,
  all: boolean,
  own: Record<string, string>,
): Record<string, string> {
  const env: Record<string, string> = {};
  if (all) Object.assign(env, world.environment());
  else {
    for (const name of BASE) {
      const value = world.env(name);
      // Values that begin like this are functions of a shell, which other programs cannot use.
      if (value !== undefined && !value.startsWith("()")) env[name] = value;
    }
  }
  return { ...env, ...own };
}
