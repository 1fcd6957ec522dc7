/** Clients that vanish without a word: after the idle limit nothing of them is left. */

import { assert, assertEquals } from "@std/assert";
import {
  call,
  hello,
  legacy,
  noted,
  type Serve,
  serving,
  Session,
  until,
} from "./kit.ts";

// A server as light as can be, so that hundreds of them may run: it knows no method but says yes to all.
const SCRIPT = `
while read -r line; do
  case $line in
    *'"id":'*)
      id=\${line#*'"id":'}
      id=\${id%%[,\\}]*}
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"light","version":"1"}}}\\n' "$id";;
  esac
done`;
const light = ["sh", "-c", SCRIPT];

const linux = Deno.build.os === "linux";

/** What the program holds: resident memory in MB, sockets, processes below it. */
function holdings(
  serve: Serve,
): { mb: number; sockets: number; children: number } {
  const status = Deno.readTextFileSync(`/proc/${serve.pid}/status`);
  let sockets = 0;
  for (const { name } of Deno.readDirSync(`/proc/${serve.pid}/fd`)) {
    try {
      const target = Deno.readLinkSync(`/proc/${serve.pid}/fd/${name}`);
      if (target.startsWith("socket:")) sockets++;
    } catch { /* it has been closed meanwhile */ }
  }
  const { stdout } = new Deno.Command("ps", {
    args: ["-o", "pid=", "--ppid", `${serve.pid}`],
  }).outputSync();
  return {
    mb: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024,
    sockets,
    children: new TextDecoder().decode(stdout).trim().split("\n").filter(
      Boolean,
    ).length,
  };
}

/**
 * A client that opens a session, a stream and a call, on sockets of its own, and hangs up without a word in the middle
 * of it all.
 */
async function vanish(serve: Serve, kind: number): Promise<void> {
  const port = Number(new URL(serve.origin).port);
  const open = () => Deno.connect({ hostname: "127.0.0.1", port });
  const send = (socket: Deno.Conn, text: string) =>
    socket.write(new TextEncoder().encode(text));
  const postText = (body: unknown, id = "") => {
    const text = JSON.stringify(body);
    return `POST /mcp HTTP/1.1\r\nHost: localhost\r\n${
      id && `Mcp-Session-Id: ${id}\r\n`
    }Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
  };
  const socket = await open();
  const buffer = new Uint8Array(65536);
  if (kind === 0) {
    await send(socket, "GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await socket.read(buffer);
    return socket.close();
  }
  await send(socket, postText(hello()));
  if (kind === 1) return socket.close();
  const answer = new TextDecoder().decode(
    buffer.subarray(0, await socket.read(buffer) ?? 0),
  );
  const id = /mcp-session-id: (\w+)/i.exec(answer)?.[1];
  assert(id, answer);
  if (kind === 2) return socket.close();
  const stream = await open();
  await send(
    stream,
    `GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: ${id}\r\n\r\n`,
  );
  await stream.read(buffer);
  await send(socket, postText(call("anything"), id));
  socket.close();
  stream.close();
}

/** Rounds of clients that vanish; gives what was held after each, once the sessions had gone. */
async function rounds(
  serve: Serve,
  count: number,
  clients: number,
): Promise<ReturnType<typeof holdings>[]> {
  const held: ReturnType<typeof holdings>[] = [];
  for (let round = 0; round < count; round++) {
    // deno-lint-ignore no-await-in-loop -- rounds come one after the other
    await Promise.all(
      Array.from({ length: clients }, (_, i) => vanish(serve, i % 4)),
    );
    // deno-lint-ignore no-await-in-loop -- as above
    await until(
      "the end of the sessions",
      async () => (await serve.server()).sessions === 0,
      8000,
    );
    held.push(holdings(serve));
  }
  return held;
}

Deno.test({
  name:
    "100 clients vanish without DELETE, 10 times over: memory, processes and sockets are back where they were",
  ignore: !linux,
  async fn() {
    const args = ["--isolation", "shared", "--session-idle", "300ms", "--"];
    await serving([...args, ...light], async (serve) => {
      const held = await rounds(serve, 10, 100);
      const [, , third] = held, last = held.at(-1);
      assert(third && last);
      assertEquals(last.children, 1);
      assert(last.sockets < 12, `${last.sockets} sockets`);
      // The first rounds fill what is filled once: code, pools, the heap's reserve.
      assert(
        last.mb < third.mb + 25,
        `memory after each round: ${held.map(({ mb }) => mb.toFixed(0))} MB`,
      );
    });
  },
});

Deno.test({
  name:
    "with a process for each session, the processes of those who vanished end with their sessions",
  ignore: !linux,
  async fn() {
    await serving(
      ["--session-idle", "300ms", "--max-sessions", "50", "--", ...light],
      async (serve) => {
        const held = await rounds(serve, 4, 40);
        // One is kept warm for whoever comes next.
        await until("the processes", () => holdings(serve).children <= 1);
        const [first] = held, last = held.at(-1);
        assert(first && last);
        assert(last.sockets < 12, `${last.sockets} sockets`);
        assert(
          last.mb < first.mb + 30,
          `memory after each round: ${held.map(({ mb }) => mb.toFixed(0))} MB`,
        );
        const { restarts, lastError } = await serve.server();
        assertEquals([restarts, lastError], [0, undefined]);
      },
    );
  },
});

Deno.test("a session that is in use is not idle: a call that runs, and a stream that is open, keep it", async () => {
  await serving(
    ["--session-idle", "300ms", "--", ...noted(legacy())],
    async (serve) => {
      const [calling, listening, idle] = await Promise.all(
        [1, 2, 3].map(() => Session.open(serve.mcp)),
      ) as [Session, Session, Session];
      const stream = await listening.get();
      const { message } = await calling.send(call("sleep", { ms: 2500 }));
      assertEquals(message.result.content[0].text, "slept 2500");
      assertEquals((await calling.send(call("echo"))).status, 200);
      assertEquals((await listening.send(call("echo"))).status, 200);
      assertEquals((await idle.send(call("echo"))).status, 404);
      await stream.cancel();
      await until(
        "the end of all",
        async () => (await serve.server()).sessions === 0,
      );
      await until(
        "the end of their processes",
        async () => (await serve.server()).pids.length <= 1,
      );
    },
  );
});
