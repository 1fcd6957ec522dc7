/**
 * How fast the program is, beside a bare relay in the same run. Absolute figures are the machine's; the ratios are ours.
 *
 * `deno task bench [--rounds N] [--seconds S] [WAY…]`, where a way is `http`, `sse`, `bridge-json`, `bridge-stream` or
 * `memory`.
 *
 * @module
 */
import { parseArgs } from "@std/cli/parse-args";
import { compare, type Comparison, type Load } from "./compare.ts";
import { median } from "./load.ts";
import { memory } from "./memory.ts";
import { startTarget, type Way } from "./targets.ts";

const TITLES: Record<Way, string> = {
  "http": "serve, Streamable HTTP with JSON answers",
  "sse": "serve, HTTP+SSE",
  "bridge-json": "bridge, a remote that answers with JSON",
  "bridge-stream": "bridge, a remote that answers with event streams",
};

const LOADS: [name: string, Omit<Load, "seconds">][] = [
  ["1 in flight, 1 kB", { slots: 1, bytes: 1000 }],
  ["16 in flight, 1 kB", { slots: 16, bytes: 1000 }],
  ["1 in flight, 1 MB", { slots: 1, bytes: 1_000_000, calls: 20 }],
  ["1 in flight, 10 MB", { slots: 1, bytes: 10_000_000, calls: 5 }],
];

type Cell = string | number | undefined;

function print(line = ""): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function row(cells: Cell[]): void {
  const shown = cells.map((cell, index) => {
    const text = typeof cell === "number" ? figure(cell) : cell ?? "-";
    return index === 0 ? text.padEnd(22) : text.padStart(11);
  });
  print(shown.join(""));
}

function figure(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

function ratio(ours: number | undefined, bare: number | undefined): Cell {
  return ours === undefined || !bare
    ? undefined
    : `x ${(ours / bare).toFixed(2)}`;
}

function tell(name: string, { bare, ours }: Comparison): void {
  row([name, bare.rate, ours.rate, ratio(ours.rate, bare.rate)]);
  row(["  p50 ms", bare.p50, ours.p50, ratio(ours.p50, bare.p50)]);
  row(["  CPU µs a call", bare.cpu, ours.cpu, ratio(ours.cpu, bare.cpu)]);
}

async function firstAnswer(way: Way, rounds: number): Promise<void> {
  const times = { bare: [] as number[], ours: [] as number[] };
  for (let round = 0; round < 2 * rounds + 1; round++) {
    for (const who of ["bare", "ours"] as const) {
      const target = await startTarget(way, who, { slots: 1, bytes: 1 });
      times[who].push(target.firstAnswer);
      await target.stop();
    }
  }
  const bare = median(times.bare);
  const ours = median(times.ours);
  row(["start to first answer, ms", bare, ours, ratio(ours, bare)]);
}

async function tellMemory(): Promise<void> {
  print("serve, memory in kB");
  row(["", "bare", "mcp-proxy", "ratio"]);
  const bare = await memory("bare", 400);
  const ours = await memory("ours", 400);
  row(["at start", bare?.start, ours?.start, ratio(ours?.start, bare?.start)]);
  row(["idle session", bare?.session, ours?.session]);
  const stream = ratio(ours?.stream, bare?.stream);
  row(["idle event stream", bare?.stream, ours?.stream, stream]);
}

const flags = parseArgs(Deno.args, {
  string: ["rounds", "seconds"],
  default: { rounds: "3", seconds: "2" },
});
const rounds = Number(flags.rounds);
const seconds = Number(flags.seconds);
const asked = flags._.map(String);
const wanted = (name: string) => asked.length === 0 || asked.includes(name);

for (const way of Object.keys(TITLES) as Way[]) {
  if (!wanted(way)) continue;
  print(TITLES[way]);
  row(["calls a second", "bare", "mcp-proxy", "ratio"]);
  for (const [name, options] of LOADS) {
    tell(name, await compare(way, { ...options, seconds }, rounds));
  }
  await firstAnswer(way, rounds);
  print();
}
if (wanted("memory")) await tellMemory();
