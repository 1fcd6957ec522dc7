/**
 * The least that a relay between HTTP and a child's pipes can do: exchange the id. No sessions, no checks, no care for
 * errors. It is the measure for what a real one costs.
 *
 * `bare_relay.ts PORT COMMAND [ARGS…]` serves `/mcp`, and `/sse` with `/messages`.
 *
 * @module
 */
import {
  type Bytes,
  decode,
  encode,
  join,
  LineSplitter,
  Outlet,
} from "./bytes.ts";

const [port, command = "", ...args] = Deno.args;
const child = new Deno.Command(command, {
  args,
  stdin: "piped",
  stdout: "piped",
}).spawn();
const stdin = child.stdin.getWriter();
const outlet = new Outlet((bytes) => stdin.write(bytes));
const newline = encode("\n");

/** Where the id of a message begins and ends; nowhere in a notification. */
function idOf(message: Bytes): [from: number, to: number] | undefined {
  const head = decode(message.subarray(0, 128));
  const at = head.indexOf('"id":') + 5;
  return at < 5 ? undefined : [at, at + head.slice(at).search(/[,}]/)];
}

function withId(message: Bytes, [from, to]: [number, number], id: Bytes) {
  return join([message.subarray(0, from), id, message.subarray(to)]);
}

const waiting = new Map<number, { id: Bytes; done(answer: Bytes): void }>();
let last = 0;

/** Sends a message to the child. `false` where there will be no answer. */
function forward(message: Bytes, done: (answer: Bytes) => void): boolean {
  const place = idOf(message);
  if (place) {
    waiting.set(++last, { id: message.slice(...place), done });
    message = withId(message, place, encode(`${last}`));
  }
  outlet.send(message, newline);
  return place !== undefined;
}

function receive(line: Bytes): void {
  const place = idOf(line);
  if (!place) return;
  const id = Number(decode(line.subarray(...place)));
  const caller = waiting.get(id);
  waiting.delete(id);
  caller?.done(withId(line, place, caller.id));
}

const streams: ReadableStreamDefaultController<Bytes>[] = [];
const json = { headers: { "content-type": "application/json" } };
const before = encode("event: message\ndata: ");
const after = encode("\n\n");

function stream(): Response {
  const body = new ReadableStream<Bytes>({
    start(controller) {
      const data = `/messages?id=${streams.push(controller) - 1}`;
      controller.enqueue(encode(`event: endpoint\ndata: ${data}\n\n`));
    },
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream" },
  });
}

Deno.serve(
  { hostname: "127.0.0.1", port: Number(port), onListen() {} },
  async (request) => {
    if (request.method === "GET") return stream();
    const message = await request.bytes();
    const at = request.url.indexOf("?id=");
    if (at >= 0) {
      const events = streams[Number(request.url.slice(at + 4))];
      forward(
        message,
        (answer) => events?.enqueue(join([before, answer, after])),
      );
      return new Response(null, { status: 202 });
    }
    return await new Promise<Response>((resolve) => {
      if (!forward(message, (answer) => resolve(new Response(answer, json)))) {
        resolve(new Response(null, { status: 202 }));
      }
    });
  },
);
const lines = new LineSplitter();
for await (const chunk of child.stdout) lines.push(chunk, receive);
