import * as std from "deno-std/http/server_sent_event_stream.js";

/** One event of a `text/event-stream`. */
export interface ServerSentEventMessage {
  /** A comment, which the receiver ignores. */
  comment?: string;
  /** The name of the event. */
  event?: string;
  /** What it carries. */
  data?: string;
  /** Its id, for `Last-Event-ID`. */
  id?: string | number;
  /** Milliseconds after which the receiver may connect again. */
  retry?: number;
}
/** Encodes events as the bytes of a `text/event-stream`. */
export type ServerSentEventStream = TransformStream<
  ServerSentEventMessage,
  Uint8Array<ArrayBuffer>
>;
/** Encodes events as the bytes of a `text/event-stream`. */
export const ServerSentEventStream: new () => ServerSentEventStream =
  std.ServerSentEventStream;
