/**
 * Answers of a Messages API, whole or as a stream of events.
 *
 * @module
 */
import type { Bytes } from "../mcp/frame.ts";
import { isRecord } from "./json.ts";

/** Tokens that a call has used; the cache counters only where the API gives them. */
export interface TokenUsage {
  /** Tokens of the prompt that were not in the cache. */
  input_tokens: number;
  /** Tokens of the answer. */
  output_tokens: number;
  /** Tokens written to the cache. */
  cache_creation_input_tokens?: number;
  /** Tokens read from the cache. */
  cache_read_input_tokens?: number;
}

/** What a model answered; the members stand in the order that users see. */
export interface Answer {
  /** The model, as the API names it. */
  model: string;
  /** Why it stopped: `end_turn`, `max_tokens`, `refusal`, …; `null` where the API does not say. */
  stop_reason: string | null;
  /** What it cost. */
  usage: TokenUsage;
  /** The text blocks, joined; thinking and tool use are left out. */
  text: string;
}

const COUNTERS = [
  "input_tokens",
  "output_tokens",
  "cache_creation_input_tokens",
  "cache_read_input_tokens",
] as const;

function readUsage(usage: TokenUsage, value: unknown): void {
  if (!isRecord(value)) return;
  for (const name of COUNTERS) {
    const count = value[name];
    if (typeof count === "number") usage[name] = count;
  }
}

/** The answer that a message of the API is, or `undefined` where it is none. `asked` is the model that was asked for. */
export function readMessage(value: unknown, asked: string): Answer | undefined {
  if (!isRecord(value) || !Array.isArray(value["content"])) return undefined;
  const { model, stop_reason: reason } = value;
  const usage: TokenUsage = { input_tokens: 0, output_tokens: 0 };
  readUsage(usage, value["usage"]);
  return {
    model: typeof model === "string" ? model : asked,
    stop_reason: typeof reason === "string" ? reason : null,
    usage,
    text: value["content"].map(blockText).join(""),
  };
}

function blockText(block: unknown): string {
  return isRecord(block) && block["type"] === "text" &&
      typeof block["text"] === "string"
    ? block["text"]
    : "";
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Length of a token in bytes of UTF-8, roughly; good enough for English, code and Chinese alike. */
const BYTES_PER_TOKEN = 4;

/** An answer that is being written: its events are put together one by one. */
export class StreamedAnswer {
  /** What has come so far. */
  readonly answer: Answer;
  /** Whether a piece of the answer has come, be it text, thinking or a tool's input. */
  began = false;
  /** Whether the answer is complete. */
  complete = false;
  /** The value of an `error` event, if there was one. */
  error: unknown;
  #bytes = 0;
  #counted = 0;

  /** Takes the model that was asked for. */
  constructor(asked: string) {
    this.answer = {
      model: asked,
      stop_reason: null,
      usage: { input_tokens: 0, output_tokens: 0 },
      text: "",
    };
  }

  /** About how many tokens have been written: estimated by length, until the API says it. Never falls. */
  get tokens(): number {
    return Math.max(this.#counted, Math.floor(this.#bytes / BYTES_PER_TOKEN));
  }

  /**
   * Takes an event; `true` where it is one of the answer's, `false` for a `ping` and what is not known. Throws a
   * `SyntaxError` where its data is no JSON.
   */
  event(data: Bytes, type: string): boolean {
    const text = decoder.decode(data);
    // Some gateways end every stream like this.
    if (text === "[DONE]") return false;
    const value: unknown = JSON.parse(text);
    if (!isRecord(value)) return false;
    switch (value["type"] ?? type) {
      case "message_start":
        this.#start(value["message"]);
        return true;
      case "content_block_start":
        this.#add(value["content_block"], false);
        return true;
      case "content_block_delta":
        this.#add(value["delta"], true);
        return true;
      case "content_block_stop":
        return true;
      case "message_delta":
        this.#end(value);
        return true;
      case "message_stop":
        this.complete = true;
        return true;
      case "error":
        this.error = value["error"] ?? value;
        return true;
      default:
        return false;
    }
  }

  #start(message: unknown): void {
    if (!isRecord(message)) return;
    const { model } = message;
    if (typeof model === "string") this.answer.model = model;
    readUsage(this.answer.usage, message["usage"]);
  }

  #add(block: unknown, delta: boolean): void {
    if (!isRecord(block)) return;
    const { type, text, thinking, partial_json: json } = block;
    if (
      typeof text === "string" && type === (delta ? "text_delta" : "text")
    ) this.answer.text += text;
    for (const piece of [text, thinking, json]) {
      if (typeof piece !== "string" || piece === "") continue;
      this.began = true;
      this.#bytes += encoder.encode(piece).length;
    }
  }

  #end(value: Record<string, unknown>): void {
    const { delta, usage } = value;
    if (isRecord(delta) && typeof delta["stop_reason"] === "string") {
      this.answer.stop_reason = delta["stop_reason"];
    }
    readUsage(this.answer.usage, usage);
    this.#counted = this.answer.usage.output_tokens;
  }
}
