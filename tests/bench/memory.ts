/**
 * What idle sessions and idle streams cost.
 *
 * @module
 */
import { openHttpSession, openHttpStream } from "./callers.ts";
import { HttpConnection } from "./http_connection.ts";
import { freePort } from "./processes.ts";
import { listening, startServing, type Who } from "./targets.ts";

/** Memory in kB. */
export interface Memory {
  /** After the first session was opened. */
  start: number;
  /** For each session more; the bare relay has none. */
  session: number | undefined;
  /** For each open event stream. */
  stream: number;
}

/** Measures `serve`, or the bare relay; `undefined` without `/proc`. */
export async function memory(
  who: Who,
  count: number,
): Promise<Memory | undefined> {
  const port = freePort();
  // With a process for each session, it would be theirs that is measured.
  const serving = startServing(who, port, [
    "--isolation=shared",
    `--max-sessions=${2 * count}`,
  ]);
  const open: HttpConnection[] = [];
  try {
    await listening(port);
    const connection = await HttpConnection.open(port);
    open.push(connection);
    const first = await openHttpSession(connection);
    const start = serving.rss();
    if (start === undefined) return undefined;
    const sessions = [first];
    if (who === "ours") {
      // What the first ones cost is the machine's getting warm.
      for (let i = 0; i < count / 4; i++) await openHttpSession(connection);
      const warm = await settled(serving.rss);
      for (let i = 0; i < count; i++) {
        sessions.push(await openHttpSession(connection));
      }
      const session = (await settled(serving.rss) - warm) / count;
      const stream = await streams(sessions);
      return { start, session, stream };
    }
    return { start, session: undefined, stream: await streams(sessions) };
  } finally {
    for (const connection of open) connection.close();
    await serving.stop();
  }

  async function streams(sessions: string[]): Promise<number> {
    const before = await settled(serving.rss);
    for (let i = 0; i < count; i++) {
      const headers = sessions[i % sessions.length] ?? "";
      open.push(await openHttpStream(port, headers));
    }
    return (await settled(serving.rss) - before) / count;
  }
}

async function settled(rss: () => number | undefined): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, 500));
  return rss() ?? 0;
}
