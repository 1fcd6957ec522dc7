/**
 * The least that a bridge between stdio and a remote server can do: each line is a POST, each answer a line. No
 * sessions, no checks, no care for errors. It is the measure for what a real one costs.
 *
 * `bare_bridge.ts URL`
 *
 * @module
 */
import { type Bytes, encode, LineSplitter, Outlet } from "./bytes.ts";

const [url = ""] = Deno.args;
const headers = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
};
const stdout = Deno.stdout.writable.getWriter();
const outlet = new Outlet((bytes) => stdout.write(bytes));
const newline = encode("\n");
const field = encode("data: ");

/** The data of a stream's only event. */
function dataOf(stream: Bytes): Bytes {
  let start = 0;
  while (start < stream.length) {
    const end = stream.indexOf(10, start);
    const line = stream.subarray(start, end < 0 ? stream.length : end);
    if (field.every((byte, index) => line[index] === byte)) {
      return line.subarray(field.length);
    }
    start += line.length + 1;
  }
  return stream;
}

async function forward(line: Bytes): Promise<void> {
  const response = await fetch(url, { method: "POST", headers, body: line });
  const body = await response.bytes();
  if (body.length === 0) return;
  const type = response.headers.get("content-type");
  outlet.send(type === "text/event-stream" ? dataOf(body) : body, newline);
}

const lines = new LineSplitter();
for await (const chunk of Deno.stdin.readable) {
  lines.push(chunk, (line) => void forward(line.slice()));
}
