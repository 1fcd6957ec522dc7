/** The leg over stdin and stdout, with pipes of the test's own. */

import { assert, assertEquals } from "@std/assert";
import type { Receiver } from "../../lib/wire/leg.ts";
import { Stdio } from "../../lib/wire/stdio.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function pipes() {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const writes: string[] = [];
  let held: (() => void) | undefined, hold = false;
  return {
    writes,
    writer: input.writable.getWriter(),
    hold: () => hold = true,
    release: () => {
      hold = false;
      held?.();
    },
    io: {
      input: input.readable,
      async write(bytes: Uint8Array): Promise<number> {
        if (hold) await new Promise<void>((resolve) => held = resolve);
        // Fewer than were given, as a pipe may do.
        const some = bytes.subarray(0, Math.max(1, bytes.length >> 1));
        writes.push(new TextDecoder().decode(some));
        return some.length;
      },
    },
  };
}

function receiver(seen: string[], answer = true): Receiver {
  return {
    request(frame, exchange) {
      seen.push(`request ${frame.method} ${frame.id}`);
      if (answer) {
        exchange.respond(
          encode(`{"jsonrpc":"2.0","id":${frame.id},"result":{}}`),
          0,
        );
      }
      return 1;
    },
    notification: (frame) => void seen.push(`notification ${frame.method}`),
    response: (frame) => void seen.push(`response ${frame.id}`),
    abandon() {},
    leave() {},
  };
}

Deno.test("messages of each kind reach the receiver, the last one without a line break too", async () => {
  const { io, writer, writes } = pipes(), seen: string[] = [];
  const stdio = new Stdio(io), running = stdio.run(receiver(seen));
  await writer.write(
    encode(
      '{"jsonrpc":"2.0","id":1,"method":"a"}\n{"jsonrpc":"2.0","method":"b"}\r\n\n{"jsonrpc":"2.0",',
    ),
  );
  await writer.write(
    encode('"id":"x","result":{}}\n{"jsonrpc":"2.0","id":2,"method":"c"}'),
  );
  await writer.close();
  await running;
  await stdio.flush(1000);
  assertEquals(seen, [
    "request a 1",
    "notification b",
    'response "x"',
    "request c 2",
  ]);
  assertEquals(
    writes.join(""),
    '{"jsonrpc":"2.0","id":1,"result":{}}\n{"jsonrpc":"2.0","id":2,"result":{}}\n',
  );
});

Deno.test("what comes in one turn goes out in one write, in order", async () => {
  const { io, writes } = pipes(),
    stdio = new Stdio({
      ...io,
      write: (bytes) => {
        writes.push(new TextDecoder().decode(bytes));
        return Promise.resolve(bytes.length);
      },
    });
  for (let i = 0; i < 100; i++) stdio.push(encode(`{"n":${i}}`));
  await stdio.flush(1000);
  assertEquals(writes.length, 1);
  assertEquals(writes[0]?.split("\n").slice(0, 3), [
    '{"n":0}',
    '{"n":1}',
    '{"n":2}',
  ]);
});

Deno.test("a message over several lines is written on one, and one that is no JSON is an error", async () => {
  const { io, writes } = pipes(), stdio = new Stdio(io);
  stdio.push(
    encode('{\n  "jsonrpc": "2.0",\r\n  "id": 1, "result": {"a": "b c"}\n}'),
  );
  stdio.push(encode('{"jsonrpc":"2.0","id":2,"result":{"a":"b\nc"}}'));
  await stdio.flush(1000);
  const lines = writes.join("").split("\n");
  assertEquals(JSON.parse(lines[0] ?? ""), {
    jsonrpc: "2.0",
    id: 1,
    result: { a: "b c" },
  });
  assertEquals(JSON.parse(lines[1] ?? "").error.code, -32603);
  assertEquals(JSON.parse(lines[1] ?? "").id, 2);
});

Deno.test("a client that does not read is left when too much waits for it", async () => {
  const { io, hold, release, writer } = pipes(), stdio = new Stdio(io);
  hold();
  const running = stdio.run(receiver([]));
  const large = new Uint8Array(40 * 1024 * 1024).fill(32);
  large.set(encode("{}"));
  for (let i = 0; i < 10; i++) stdio.push(large);
  await running;
  await stdio.flush(10);
  release();
  await writer.close().catch(() => {});
});

Deno.test("closing the leg ends the run, though the client's end stays open", async () => {
  const { io, writer } = pipes(), stdio = new Stdio(io);
  const running = stdio.run(receiver([]));
  stdio.close("the end");
  await running;
  await writer.close().catch(() => {});
});

Deno.test("a stdout that is gone ends the run", async () => {
  const { io, writer } = pipes();
  const stdio = new Stdio({
    input: io.input,
    write: () => Promise.reject(new Deno.errors.BrokenPipe("gone")),
  });
  const running = stdio.run(receiver([]));
  stdio.push(encode("{}"));
  await running;
  await writer.close().catch(() => {});
  assert(true);
});
