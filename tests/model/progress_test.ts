import { assert } from "@std/assert";
import { Progress } from "../../lib/model/progress.ts";

Deno.test("progress is told at most 4 times a second, however fast tokens come", async () => {
  const told: { at: number; progress: number }[] = [];
  const progress = new Progress((progress) =>
    told.push({ at: performance.now(), progress })
  );
  const began = performance.now();
  for (let count = 1; performance.now() - began < 1300; count++) {
    progress.tokens(count);
    if (count % 100 === 0) await new Promise((done) => setTimeout(done, 1));
  }
  progress.end();
  assert(told.length >= 3 && told.length <= 5, `${told.length}`);
  let before = began - 1, last = 0;
  for (const { at, progress } of told) {
    // The time is taken a little before it is told.
    assert(at - before >= 225, `${at - before} ms`);
    assert(progress > last);
    [before, last] = [at, progress];
  }
});
