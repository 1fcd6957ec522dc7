import type { Bytes } from "../mcp/frame.ts";
import type { Answer } from "./answer.ts";
import { answerable } from "./answerable.ts";
import type { Exchange } from "./leg.ts";

/**
 * The answer to a batch (MCP 2025-03-26 only): a JSON array of all responses, or, where something has to come before
 * them, each of them on the stream.
 */
export class Batch {
  #answer: Answer;
  #left: number;
  #responses: Bytes[] = [];

  /** Takes the answer and how many responses it is made of. */
  constructor(answer: Answer, requests: number) {
    this.#answer = answer;
    this.#left = requests;
  }

  /** The HTTP response. */
  get response(): Promise<Response> {
    return this.#answer.response;
  }

  /** The way back of one of its requests. */
  part(): Exchange {
    const respond = (bytes: Bytes) => this.#respond(bytes);
    return {
      headers: this.#answer.headers,
      push: (bytes) => this.#answer.push(bytes),
      respond,
      refuse: respond,
      cancelled: respond,
    };
  }

  #respond(bytes: Bytes): void {
    // One that is no JSON must not spoil the others.
    this.#responses.push(answerable(bytes));
    if (--this.#left > 0) return;
    const size = this.#responses.reduce(
      (sum, part) => sum + part.length + 1,
      1,
    );
    const all = new Uint8Array(size);
    let at = 0;
    for (const part of this.#responses) {
      all[at] = at === 0 ? 91 : 44;
      at++;
      all.set(part, at);
      at += part.length;
    }
    all[at] = 93;
    this.#answer.respond(all, 0);
  }
}
