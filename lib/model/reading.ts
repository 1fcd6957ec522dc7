/**
 * From a response to the answer in it.
 *
 * @module
 */
import { EventReader } from "../wire/event_source.ts";
import { pause } from "../wire/pause.ts";
import { MAX_ANSWER, mediaType, readBody } from "../wire/target.ts";
import { type Answer, readMessage, StreamedAnswer } from "./answer.ts";
import type { Received } from "./endpoint.ts";
import { networkFault } from "./failure.ts";
import { isRecord, parseJson } from "./json.ts";
import { brokenOff, lateRefusal, notUnderstood, refusal } from "./refusal.ts";

/** How long a stream may stay open after the end of its answer, in ms. */
const MAX_TAIL = 1000;

/**
 * Reads the answer to a question, JSON or a stream of events, whichever it is. `asked` is the model that was asked for;
 * `onpiece` is told after each piece about how many tokens have come. Rejects with a `ModelError`.
 */
export async function readAnswer(
  received: Received,
  asked: string,
  onpiece: (tokens: number) => void,
): Promise<Answer> {
  const { status } = received.response;
  if (status < 200 || status > 299) throw await refusal(received);
  return mediaType(received.response) === "text/event-stream"
    ? await readStream(received, asked, onpiece)
    : await readWhole(received, asked);
}

async function readWhole(received: Received, asked: string): Promise<Answer> {
  let text: string;
  try {
    const bytes = await readBody(received.response, MAX_ANSWER);
    text = new TextDecoder().decode(bytes);
  } catch (cause) {
    throw networkFault(cause, received.url);
  }
  const value = parseJson(text);
  const answer = readMessage(value, asked);
  if (answer) return answer;
  if (isRecord(value) && value["error"] !== undefined) {
    throw lateRefusal(received, value["error"], false);
  }
  throw notUnderstood(received, text);
}

async function readStream(
  received: Received,
  asked: string,
  onpiece: (tokens: number) => void,
): Promise<Answer> {
  const streamed = new StreamedAnswer(asked);
  const events = new EventReader(MAX_ANSWER, (data, type) => {
    if (streamed.event(data, type)) onpiece(streamed.tokens);
  });
  const pieces = (received.response.body ?? nothing())[Symbol.asyncIterator]();
  try {
    for (let size = 0; !streamed.complete && streamed.error === undefined;) {
      const { done, value } = await pieces.next();
      if (done) break;
      size += value.length;
      if (size > MAX_ANSWER) throw new Error(`more than ${MAX_ANSWER} bytes`);
      events.push(value);
    }
  } catch (cause) {
    await pieces.return?.();
    throw brokenOff(received, streamed, cause);
  }
  await end(pieces);
  if (streamed.error !== undefined) {
    throw lateRefusal(received, streamed.error, streamed.began);
  }
  // Some gateways leave out the last event, but none the reason to stop.
  if (!streamed.complete && streamed.answer.stop_reason === null) {
    throw brokenOff(received, streamed, undefined);
  }
  return streamed.answer;
}

/** Reads up to the end of the stream, so that the connection can be used again; but not for long. */
async function end(pieces: AsyncIterator<Uint8Array>): Promise<void> {
  const over = new AbortController();
  const rest = async () => {
    while (!(await pieces.next()).done);
  };
  await Promise.race([
    rest().catch(() => {}),
    pause(MAX_TAIL, over.signal).then(() => pieces.return?.()),
  ]);
  over.abort();
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
