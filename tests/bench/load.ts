/**
 * Closed-loop load: each slot calls again as soon as it has its answer.
 *
 * @module
 */
import { within } from "./processes.ts";
import type { Target } from "./targets.ts";

/** How a target stood a load. */
export interface Figures {
  /** Calls in a second. */
  rate: number;
  /** Median time of a call in ms. */
  p50: number;
  /** CPU time of a call in µs, in the measured process alone; unknown without `/proc`. */
  cpu: number | undefined;
}

/** Calls for so long, after a part of it to get warm; at least so many calls in all. */
export async function load(
  target: Target,
  { slots, seconds, calls = 1 }: {
    slots: number;
    seconds: number;
    calls?: number;
  },
): Promise<Figures> {
  await run(target, slots, seconds / 4, 1);
  const cpu = target.measured.cpu();
  const began = performance.now();
  const times = await run(target, slots, seconds, calls);
  const elapsed = (performance.now() - began) / 1000;
  const used = target.measured.cpu();
  return {
    rate: times.length / elapsed,
    p50: median(times),
    cpu: cpu === undefined || used === undefined
      ? undefined
      : (used - cpu) / times.length * 1e6,
  };
}

async function run(
  target: Target,
  slots: number,
  seconds: number,
  calls: number,
): Promise<number[]> {
  const until = performance.now() + seconds * 1000;
  const times: number[] = [];
  const loop = async (slot: number) => {
    let now = performance.now();
    while (now < until || times.length < calls) {
      await target.caller.call(slot);
      const then = now;
      now = performance.now();
      times.push(now - then);
    }
  };
  const loops = Array.from({ length: slots }, (_, slot) => loop(slot));
  await within(seconds + 30, "A load", Promise.all(loops));
  return times;
}

/** The middle one of some numbers; 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
