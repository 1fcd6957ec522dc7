/** A small forward proxy on loopback: absolute-form requests and CONNECT. */

/** A running proxy, and what it was asked. */
export interface Proxy {
  port: number;
  seen: { line: string; authorization: string | undefined }[];
  close(): Promise<void>;
}

/** Starts a proxy. */
export function startProxy(): Proxy {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const seen: Proxy["seen"] = [];
  const open = new Set<Deno.Conn>();
  const tasks = new Set<Promise<void>>();

  async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
    try {
      const buffer = new Uint8Array(65536);
      for (
        let count = await from.read(buffer);
        count !== null;
        count = await from.read(buffer)
      ) {
        for (let at = 0; at < count;) {
          at += await to.write(buffer.subarray(at, count));
        }
      }
    } catch { /* one side is gone */ }
    for (const conn of [from, to]) close(conn);
  }

  function close(conn: Deno.Conn): void {
    if (open.delete(conn)) conn.close();
  }

  async function serve(conn: Deno.Conn): Promise<void> {
    open.add(conn);
    try {
      const buffer = new Uint8Array(65536);
      const count = await conn.read(buffer) ?? 0;
      const head = new TextDecoder().decode(buffer.subarray(0, count));
      const line = head.slice(0, head.indexOf("\r\n"));
      seen.push({
        line,
        authorization: /proxy-authorization: ([^\r\n]*)/i.exec(head)?.[1],
      });
      const [method, target = ""] = line.split(" ");
      const url = new URL(method === "CONNECT" ? `http://${target}` : target);
      const to = await Deno.connect({
        hostname: url.hostname,
        port: Number(url.port),
      });
      open.add(to);
      if (method === "CONNECT") {
        await conn.write(
          new TextEncoder().encode(
            "HTTP/1.1 200 Connection established\r\n\r\n",
          ),
        );
      } else await to.write(buffer.subarray(0, count));
      await Promise.all([pump(conn, to), pump(to, conn)]);
    } catch {
      close(conn);
    }
  }

  const accepting = (async () => {
    for await (const conn of listener) {
      const task = serve(conn);
      tasks.add(task);
      task.finally(() => tasks.delete(task));
    }
  })();

  return {
    port: (listener.addr as Deno.NetAddr).port,
    seen,
    async close() {
      listener.close();
      await accepting;
      [...open].forEach(close);
      await Promise.all(tasks);
    },
  };
}
