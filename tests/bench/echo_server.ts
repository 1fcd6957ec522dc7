/**
 * A remote MCP server that does no more than it must: `/json` answers with JSON, `/stream` with an event stream.
 *
 * `echo_server.ts PORT`
 *
 * @module
 */
import { encode, join } from "./bytes.ts";
import { echo } from "./echo.ts";

const before = encode("event: message\ndata: ");
const after = encode("\n\n");
const json = { headers: { "content-type": "application/json" } };
const stream = { headers: { "content-type": "text/event-stream" } };

Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.args[0]), onListen() {} },
  async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const answer = echo(await request.bytes());
    if (!answer) return new Response(null, { status: 202 });
    return request.url.endsWith("/stream")
      ? new Response(join([before, answer, after]), stream)
      : new Response(answer, json);
  },
);
