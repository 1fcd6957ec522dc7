/**
 * `deno task compile [TARGET]`: one executable, `dist/mcp-proxy` for this system, or `dist/TARGET/mcp-proxy` for another
 * (x86_64-unknown-linux-gnu, …). It is made from the bundle, so that it holds nothing which the program does not use.
 *
 * @module
 */

/** All that the program may do. Children need `run`, a unix socket `write`. It loads no code, native or other. */
export const PERMISSIONS: readonly string[] = [
  "net",
  "env",
  "read",
  "write",
  "run",
].map((name) => `--allow-${name}`);

async function deno(...args: string[]): Promise<void> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args,
    cwd: `${import.meta.dirname}/..`,
  }).spawn().status;
  if (code !== 0) Deno.exit(code);
}

if (import.meta.main) {
  const [target] = Deno.args;
  await deno("task", "--quiet", "bundle");
  await deno(
    ...["compile", "--no-config", "--no-lock", "--no-check", "--no-prompt"],
    // A code cache would lie where others may write, under a name that they know.
    "--no-code-cache",
    ...PERMISSIONS,
    ...target ? ["--target", target] : [],
    ...["--output", target ? `dist/${target}/mcp-proxy` : "dist/mcp-proxy"],
    "dist/mcp-proxy.js",
  );
}
