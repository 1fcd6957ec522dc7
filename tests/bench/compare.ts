/**
 * The program and the bare relay, measured in turn, so that what else the machine does hits both.
 *
 * @module
 */
import { type Figures, load, median } from "./load.ts";
import { startTarget, type Way, type Who } from "./targets.ts";

/** A load. */
export interface Load {
  /** Calls in flight. */
  slots: number;
  /** Length of the echoed text. */
  bytes: number;
  /** How long a round is. */
  seconds: number;
  /** The least number of calls in a round. */
  calls?: number;
}

/** What came out for both. */
export type Comparison = Record<Who, Figures>;

/** Puts a load on both, so many rounds in turn, and gives the median of each figure. */
export async function compare(
  way: Way,
  options: Load,
  rounds: number,
): Promise<Comparison> {
  const bare = await startTarget(way, "bare", options);
  try {
    const ours = await startTarget(way, "ours", options);
    try {
      const seen: Record<Who, Figures[]> = { bare: [], ours: [] };
      for (let round = 0; round < rounds; round++) {
        seen.bare.push(await load(bare, options));
        seen.ours.push(await load(ours, options));
      }
      return { bare: middle(seen.bare), ours: middle(seen.ours) };
    } finally {
      await ours.stop();
    }
  } finally {
    await bare.stop();
  }
}

function middle(figures: Figures[]): Figures {
  const cpu = figures.flatMap((one) => one.cpu ?? []);
  return {
    rate: median(figures.map((one) => one.rate)),
    p50: median(figures.map((one) => one.p50)),
    cpu: cpu.length > 0 ? median(cpu) : undefined,
  };
}
