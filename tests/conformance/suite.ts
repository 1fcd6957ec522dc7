/** The official conformance suite, run as a child process against a URL. */

const SUITE = "npm:@modelcontextprotocol/conformance@0.2.0-alpha.12";

/** A frozen set of requirements, and how many scenarios count in it. */
export const REQUIREMENTS = { "2025-11-25": 30, "2026-07-28": 37 } as const;
/** The protocol version that a set belongs to. */
export type Requirements = keyof typeof REQUIREMENTS;

/** What came out of a run. */
export interface Outcome {
  /** Scored scenarios without a failure or a warning. */
  passed: string[];
  /** Scored scenarios with one, and what the suite said. */
  failed: { scenario: string; reason: string }[];
  /** The same for scenarios that the suite runs but does not score. */
  unscored: {
    passed: string[];
    failed: { scenario: string; reason: string }[];
  };
}

interface Check {
  id: string;
  status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  errorMessage?: string;
}

/** Runs one requirement set. Throws if the run was not complete, or its exit code tells otherwise. */
export async function conformance(
  url: string,
  requirements: Requirements,
): Promise<Outcome> {
  const folder = await Deno.makeTempDir({ prefix: "conformance-" });
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), 180_000);
  try {
    const args = ["run", "-A", "--no-check", "--quiet", SUITE, "server"];
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...args,
        "--url",
        url,
        "--requirements",
        requirements,
        "-o",
        folder,
      ],
      stdin: "null",
      env: { NO_COLOR: "1" },
      signal: patience.signal,
    }).output();
    const said = new TextDecoder().decode(stdout) +
      new TextDecoder().decode(stderr);
    const outcome = await read(folder, scenariosNotScored(said));
    const ran = outcome.passed.length + outcome.failed.length;
    if (ran !== REQUIREMENTS[requirements]) {
      throw new Error(
        `${ran} of ${
          REQUIREMENTS[requirements]
        } scenarios ran (code ${code}):\n${said}`,
      );
    }
    if (code !== 0 && !outcome.failed.length) {
      throw new Error(
        `the suite ended with code ${code}, but no scenario failed:\n${said}`,
      );
    }
    return outcome;
  } finally {
    clearTimeout(timer);
    await Deno.remove(folder, { recursive: true });
  }
}

/** The suite lists them at the end of its report: "  ✓ name (reason)". */
function scenariosNotScored(report: string): Set<string> {
  const list = report.slice(report.lastIndexOf("Not scored for"));
  return new Set(
    [...list.matchAll(/^ {2}[✓✗] (\S+) \(/gm)].map(([, name = ""]) => name),
  );
}

async function read(folder: string, unscored: Set<string>): Promise<Outcome> {
  const outcome: Outcome = {
    passed: [],
    failed: [],
    unscored: { passed: [], failed: [] },
  };
  for await (const { name } of Deno.readDir(folder)) {
    // A folder is called server-SCENARIO-TIME.
    const scenario = name.replace(/^server-/, "").replace(
      /-\d{4}-\d\d-\d\dT[\d-]+Z$/,
      "",
    );
    const checks = await checksOf(`${folder}/${name}/checks.json`);
    const bad = checks.filter(({ status }) =>
      status === "FAILURE" || status === "WARNING"
    );
    const into = unscored.has(scenario) ? outcome.unscored : outcome;
    if (!bad.length) into.passed.push(scenario);
    else {
      const reasons = bad.map(({ id, status, errorMessage }) => {
        return `${id} (${status.toLowerCase()}): ${
          errorMessage ?? "no message"
        }`;
      });
      into.failed.push({ scenario, reason: reasons.join("\n") });
    }
  }
  return outcome;
}

/** A scenario that did not come to its end has left no file. */
async function checksOf(file: string): Promise<Check[]> {
  try {
    return JSON.parse(await Deno.readTextFile(file));
  } catch (error) {
    return [{
      id: "no-report",
      status: "FAILURE",
      errorMessage: `it did not finish: ${error}`,
    }];
  }
}
