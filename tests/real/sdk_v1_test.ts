/** Real servers behind `serve`, used by the client of the official SDK, version 1. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { program, startServe } from "../program.ts";
import { useEverything } from "./everything.ts";
import {
  connect,
  everything,
  leaveTimers,
  line,
  npm,
  serve,
  stdio,
  textOf,
} from "./kit.ts";
import { SSEClientTransport, StreamableHTTPClientTransport } from "./sdk_v1.ts";

/** A transport that starts `mcp-proxy bridge URL`. */
const bridge = (url: string) => stdio([...program(), "bridge", url]);

Deno.test(
  "SDK v1 and server-everything through serve and bridge",
  leaveTimers,
  async (t) => {
    const serving = await serve(everything());
    const url = new URL(serving.url);
    const sse = new URL("/sse", url);
    try {
      await t.step(
        "Streamable HTTP",
        () => useEverything(new StreamableHTTPClientTransport(url)),
      );
      await t.step(
        "HTTP+SSE",
        () => useEverything(new SSEClientTransport(sse)),
      );
      await t.step(
        "bridge, Streamable HTTP",
        () => useEverything(bridge(url.href)),
      );
      await t.step("bridge, HTTP+SSE", () => useEverything(bridge(sse.href)));
    } finally {
      assertEquals(await serving.stop(), 0);
    }
  },
);

Deno.test(
  "SDK v1 and server-everything through serve --isolation shared",
  leaveTimers,
  async (t) => {
    const words = ["--isolation", "shared", "--", ...everything()];
    const serving = await startServe(words);
    const url = new URL(serving.url);
    try {
      await t.step(
        "Streamable HTTP",
        () => useEverything(new StreamableHTTPClientTransport(url)),
      );
      await t.step("HTTP+SSE", () => {
        const transport = new SSEClientTransport(new URL("/sse", url));
        return useEverything(transport, ["elicitation", "sampling"]);
      });
    } finally {
      assertEquals(await serving.stop(), 0);
    }
  },
);

Deno.test(
  "SDK v1 and server-filesystem through serve, as a named server",
  leaveTimers,
  async () => {
    // The server compares real paths.
    const folder = await Deno.realPath(await Deno.makeTempDir());
    const text = "text\n".repeat(200_000);
    await Deno.writeTextFile(`${folder}/large.txt`, text);
    const words = npm("@modelcontextprotocol/server-filesystem", folder);
    const serving = await startServe([
      ...["--pass-environment", "--named-server", "files", line(words)],
    ]);
    try {
      assertStringIncludes(serving.url, "/servers/files/mcp");
      const url = new URL(serving.url);
      for (
        const transport of [
          new StreamableHTTPClientTransport(url),
          new SSEClientTransport(new URL("sse", url)),
        ]
      ) {
        const client = await connect(transport);
        const call = async (name: string, args: Record<string, unknown>) =>
          await client.callTool({ name, arguments: args });
        const path = `${folder}/large.txt`;
        assertEquals(textOf(await call("read_text_file", { path })), text);
        const note = `${folder}/note.txt`;
        await call("write_file", { path: note, content: "written" });
        assertEquals(await Deno.readTextFile(note), "written");
        const outside = await call("read_text_file", { path: "/etc/hostname" });
        assert(outside.isError, "a file outside is no error");
        await client.close();
      }
    } finally {
      assertEquals(await serving.stop(), 0);
      await Deno.remove(folder, { recursive: true });
    }
  },
);
