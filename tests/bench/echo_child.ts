/**
 * A stdio MCP server that does no more than it must, so that what is measured is what stands before it. It reads and
 * writes without an event loop.
 *
 * @module
 */
import { type Bytes, encode, join, LineSplitter } from "./bytes.ts";
import { echo } from "./echo.ts";

const buffer = new Uint8Array(1 << 20);
const newline = encode("\n");
const lines = new LineSplitter();
while (true) {
  const count = Deno.stdin.readSync(buffer);
  if (count === null) break;
  const answers: Bytes[] = [];
  lines.push(buffer.subarray(0, count), (line) => {
    const answer = echo(line);
    if (answer) answers.push(answer, newline);
  });
  let bytes = join(answers);
  while (bytes.length > 0) {
    bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
  }
}
