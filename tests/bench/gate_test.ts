import { assert } from "@std/assert";
import { compare, type Comparison, type Load } from "./compare.ts";
import type { Way } from "./targets.ts";

// The floors are generous, for a machine on which other things run: what they find is a hot path that has been lost,
// not one that has become a little slower. `deno task bench` tells the latter.
const TRIES = 3;
const ROUNDS = 5;

interface Floor {
  rate?: number;
  cpu?: number;
  p50?: number;
}

/** What a comparison does not reach. */
function missed({ bare, ours }: Comparison, floor: Floor): string[] {
  const found: string[] = [];
  const rate = ours.rate / bare.rate;
  if (floor.rate !== undefined && rate < floor.rate) {
    found.push(`calls/s: ${rate.toFixed(2)} of bare, not ${floor.rate}`);
  }
  const p50 = ours.p50 / bare.p50;
  if (floor.p50 !== undefined && p50 > floor.p50) {
    found.push(`p50: ${p50.toFixed(2)} times bare, not ${floor.p50}`);
  }
  const cpu = (ours.cpu ?? 0) / (bare.cpu ?? 1);
  if (floor.cpu !== undefined && cpu > floor.cpu) {
    found.push(`CPU: ${cpu.toFixed(2)} times bare, not ${floor.cpu}`);
  }
  return found;
}

function gate(name: string, way: Way, load: Load, floor: Floor): void {
  Deno.test(name, async () => {
    let left: string[] = [];
    for (let tried = 0; tried < TRIES; tried++) {
      const now = missed(await compare(way, load, ROUNDS), floor);
      left = tried === 0 ? now : left.filter((miss) => {
        const kind = miss.slice(0, miss.indexOf(":"));
        return now.some((other) => other.startsWith(kind));
      });
      if (left.length === 0) return;
    }
    assert(false, left.join("; "));
  });
}

const short: Load = { slots: 16, bytes: 1000, seconds: 0.2 };
const huge: Load = { slots: 1, bytes: 10_000_000, seconds: 0.1, calls: 2 };
const calls: Floor = { rate: 0.5, cpu: 2.2 };

gate("serve keeps up with a bare relay", "http", short, calls);
gate("serve keeps up with a bare relay over HTTP+SSE", "sse", short, calls);
gate("serve carries 10 MB like a bare relay", "http", huge, { p50: 3 });
gate("bridge keeps up with a bare one", "bridge-json", short, calls);
gate(
  "bridge reads event streams like a bare one",
  "bridge-stream",
  short,
  calls,
);
gate("bridge carries 10 MB like a bare one", "bridge-json", huge, { p50: 3 });
