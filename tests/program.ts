/** The program under test, started from outside as a user would. `MCP_PROXY` says which one. */

const HERE = import.meta.dirname ?? ".";

/** The words that start the program. */
export function program(): string[] {
  const given = Deno.env.get("MCP_PROXY");
  return given
    ? given.split(" ")
    : [Deno.execPath(), "run", "-A", "--no-check", `${HERE}/../main.ts`];
}

/** The words that start a fixture of `tests/fixtures`. */
export function fixture(name: string, ...args: string[]): string[] {
  const path = `${HERE}/fixtures/${name}`;
  return [Deno.execPath(), "run", "-A", "--no-check", "--quiet", path, ...args];
}

/** A process that has said on stderr where it listens. */
export interface Running {
  /** The first address that it told. */
  url: string;
  port: number;
  pid: number;
  /** All that it has written to stderr. */
  stderr(): string;
  /** Asks it to end (SIGTERM), or makes it after 10 s, and gives its exit code. */
  stop(): Promise<number>;
  /** Its exit code, once it has ended. */
  ended: Promise<number>;
}

/** Starts `mcp-proxy serve ARGS` and waits for its address: the default server's, or the first one told. */
export function startServe(
  args: string[],
  env: Record<string, string> = {},
): Promise<Running> {
  return startListening(
    [...program(), "serve", ...args],
    /http:\/\/[^\s/]+:(\d+)\/\S*mcp\b/,
    env,
  );
}

/** Starts a command and waits until stderr tells an address. */
export async function startListening(
  command: string[],
  address = /http:\/\/[^\s/]+:(\d+)\S*/,
  env: Record<string, string> = {},
): Promise<Running> {
  const [file = "", ...args] = command;
  const child = new Deno.Command(file, {
    args,
    env,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  })
    .spawn();
  let text = "";
  const { promise: listening, resolve: told } = Promise.withResolvers<
    RegExpExecArray
  >();
  const read = (async () => {
    for await (
      const chunk of child.stderr.pipeThrough(new TextDecoderStream())
    ) {
      text += chunk;
      const match = address.exec(text.slice(0, text.lastIndexOf("\n") + 1));
      if (match) told(match);
    }
  })();
  const ended = child.status.then(async ({ code }) => {
    await read;
    return code;
  });
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  const stop = async () => {
    kill("SIGTERM");
    const timer = setTimeout(() => kill("SIGKILL"), 10_000);
    return await ended.finally(() => clearTimeout(timer));
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<null>((done) =>
    timer = setTimeout(() => done(null), 20_000)
  );
  const match = await Promise.race([listening, ended, tooLate]).finally(() =>
    clearTimeout(timer)
  );
  if (match === null || typeof match === "number") {
    await stop();
    throw new Error(
      `${command.join(" ")} told no address (exit code ${match}):\n${text}`,
    );
  }
  return {
    url: match[0],
    port: Number(match[1]),
    pid: child.pid,
    stderr: () => text,
    stop,
    ended,
  };
}

/** Runs the program to its end, with this text on stdin. */
export async function run(
  args: string[],
  stdin = "",
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const [file = "", ...words] = [...program(), ...args];
  const child = new Deno.Command(file, {
    args: words,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  writer.write(new TextEncoder().encode(stdin)).then(() => writer.close())
    .catch(() => {});
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
