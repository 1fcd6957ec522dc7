/** The program as one file, and how to run that where there is nothing else. */

import { PERMISSIONS } from "../.ci/compile.ts";

/** Makes the program one file. */
export async function bundle(file: string): Promise<void> {
  await output([
    ...[Deno.execPath(), "bundle", "--quiet", "--platform", "deno"],
    ...["-o", file, `${import.meta.dirname}/../main.ts`],
  ]);
}

/** The words that run a file alone, as the executable does: its permissions, no configuration, no packages. */
export function alone(file: string): string[] {
  return [
    ...[Deno.execPath(), "run", ...PERMISSIONS, "--no-prompt", "--no-config"],
    ...["--no-lock", "--no-npm", "--no-remote", "--cached-only", file],
  ];
}

/** Words before a command that leave it nothing but loopback; none where this machine has no such thing. */
export async function withoutNetwork(): Promise<string[]> {
  const words = ["unshare", "-rn", "sh", "-c"];
  const up = "ip link set lo up";
  const works = await output([...words, up]).then(() => true, () => false);
  return works ? [...words, `${up} && exec "$@"`, "sh"] : [];
}

/** Runs a command to its end, and gives its stdout; throws with all that it said if it fails. */
export async function output(
  [file = "", ...args]: string[],
  options: Deno.CommandOptions = {},
  from: "stdout" | "stderr" = "stdout",
): Promise<string> {
  const ended = await new Deno.Command(file, {
    ...options,
    args,
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (ended.success) return text(ended[from]);
  throw new Error(
    `${file} ${args.join(" ")}\n${text(ended.stdout)}${text(ended.stderr)}`,
  );
}
