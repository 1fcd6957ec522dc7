import { type Bytes, decode, encode, join } from "./bytes.ts";

const INFO =
  '{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}';
const MIDDLE = encode('"result":{"content":[{"type":"text",');
const CLOSE = encode("}]}}");
const END = 3; // of `}}}`, which closes a call

/** What an MCP server says to a message that calls `echo`, made of the bytes that came; nothing to a notification. */
export function echo(message: Bytes): Bytes | undefined {
  const head = decode(message.subarray(0, 400));
  const id = /"id":([^,}]+)/.exec(head)?.[1];
  if (id === undefined) return undefined;
  const start = `{"jsonrpc":"2.0","id":${id},`;
  if (head.includes('"method":"initialize"')) {
    return encode(`${start}"result":${INFO}}`);
  }
  const text = head.indexOf('"text":"');
  if (text < 0) return encode(`${start}"result":{}}`);
  const said = message.subarray(text, message.length - END);
  return join([encode(start), MIDDLE, said, CLOSE]);
}
