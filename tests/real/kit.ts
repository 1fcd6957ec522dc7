/** What the tests with real servers and clients share. Versions are exact: what is real does not change under a test. */

import { type Running, startServe } from "../program.ts";
import { Client, StdioClientTransport, type Transport } from "./sdk_v1.ts";

const HERE = import.meta.dirname ?? ".";
const windows = Deno.build.os === "windows";

const VERSIONS = {
  "@modelcontextprotocol/server-everything": "2026.8.31",
  "@modelcontextprotocol/server-filesystem": "2026.8.31",
  "@modelcontextprotocol/inspector": "2.12.0",
  "mcp-remote": "0.15.1",
  "supergateway": "4.0.0",
};

/** The words that run a package of npm's. It can listen on loopback only, whatever it wants. */
export function npm(
  name: keyof typeof VERSIONS,
  ...args: string[]
): string[] {
  return [
    ...[Deno.execPath(), "run", "-A", "--quiet", "--no-config"],
    ...["--preload", `${HERE}/loopback.ts`],
    ...[`npm:${name}@${VERSIONS[name]}`, ...args],
  ];
}

/** The real server that has everything. */
export const everything = (): string[] =>
  npm("@modelcontextprotocol/server-everything");

/** A command as one string, for programs that split it as a shell does. */
export const line = (words: string[]): string =>
  words.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`)
    .join(" ");

/** For tests with the SDK's stdio client, which leaves a timer behind for each process that it has ended. */
export const leaveTimers: Pick<
  Deno.TestDefinition,
  "sanitizeOps" | "sanitizeResources"
> = { sanitizeOps: false, sanitizeResources: false };

/** Serves a command which may have to be fetched first, for which it needs what the environment says about networks. */
export function serve(words: string[], ...flags: string[]): Promise<Running> {
  return startServe(["--pass-environment", ...flags, "--", ...words]);
}

/** A transport that starts a command, with the environment that it may need likewise. */
export function stdio([command = "", ...args]: string[]): StdioClientTransport {
  const env = Deno.env.toObject();
  return new StdioClientTransport({ command, args, env, stderr: "ignore" });
}

/** A port that nobody listens on. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return listener.addr.port;
}

/** Starts a command that listens on a port, as the leader of a process group; gives what ends the whole group. */
export async function startPeer(
  [file = "", ...args]: string[],
  port: number,
): Promise<() => Promise<void>> {
  const child = new Deno.Command(file, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: !windows,
  }).spawn();
  const kill = (signal: Deno.Signal) => {
    try {
      if (windows) child.kill(signal);
      else Deno.kill(-child.pid, signal);
    } catch { /* nothing of it is left */ }
  };
  const stop = async () => {
    kill("SIGTERM");
    const timer = setTimeout(() => kill("SIGKILL"), 3000);
    await child.status;
    clearTimeout(timer);
    kill("SIGKILL");
  };
  const until = performance.now() + 20_000;
  while (true) {
    try {
      const socket = await Deno.connect({ hostname: "127.0.0.1", port });
      socket.close();
      return stop;
    } catch (cause) {
      if (performance.now() > until) {
        await stop();
        throw new Error(`${file} ${args.join(" ")} does not listen`, { cause });
      }
      await pause(50);
    }
  }
}

/** Waits so many ms. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something is so, for at most 5 s. */
export async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 250 && !holds(); i++) await pause(20);
}

/** Runs a command to its end, or to the end of its time. */
export async function finish(
  [file = "", ...args]: string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(file, {
    args,
    env,
    stdin: "null",
    signal: AbortSignal.timeout(60_000),
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Connects a client that offers nothing. */
export async function connect(transport: Transport): Promise<Client> {
  const client = new Client({ name: "plain", version: "1" });
  await client.connect(transport);
  return client;
}

/** The text of a tool's first block. */
export function textOf(result: unknown): string {
  const { content } = result as { content?: { text?: string }[] };
  return content?.[0]?.text ?? "";
}
