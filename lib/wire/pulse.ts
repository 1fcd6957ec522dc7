/**
 * One slow clock for everything that only needs a rough one: answers that take long, streams that must be kept alive,
 * sessions that nobody uses. It ticks once a second while somebody listens, and does not exist otherwise.
 *
 * @module
 */

/** Called about once a second; gives `false` when it does not want to be called again. */
export type Beat = () => boolean;

const beats = new Set<Beat>();
let timer: ReturnType<typeof setInterval> | undefined;

/** Calls `beat` about once a second until it gives `false`, or until {@linkcode stopBeat}. */
export function onBeat(beat: Beat): void {
  beats.add(beat);
  timer ??= setInterval(tick, 1000);
}

/** Stops calling `beat`. */
export function stopBeat(beat: Beat): void {
  if (beats.delete(beat) && beats.size === 0) stop();
}

function tick(): void {
  for (const beat of beats) if (!beat()) beats.delete(beat);
  if (beats.size === 0) stop();
}

function stop(): void {
  clearInterval(timer);
  timer = undefined;
}
