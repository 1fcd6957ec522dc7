import { log, maskUrl } from "../log.ts";
import { encode } from "../mcp/message.ts";
import { pause } from "../wire/pause.ts";
import type { Fetch } from "../wire/target.ts";
import type { Answer } from "./answer.ts";
import { Deadline } from "./deadline.ts";
import { Endpoint } from "./endpoint.ts";
import { ModelError } from "./failure.ts";
import type { Question } from "./question.ts";
import { readAnswer } from "./reading.ts";
import { redactor } from "./redact.ts";
import type { Settings } from "./settings.ts";

/** Waits before another attempt double from the first up to the longest, in ms. */
const FIRST_WAIT = 500, MAX_WAIT = 8000;
/** A system text of so many bytes is marked for the cache: no model caches less than 1024 tokens. */
const LONG_SYSTEM = 4096;

/** A client of the Messages API: one question, one answer. */
export class Messages {
  readonly #settings: Settings;
  readonly #endpoint: Endpoint;
  readonly #redact: (text: string) => string;

  /** Takes the settings, and what makes the requests. */
  constructor(settings: Settings, fetch: Fetch) {
    this.#settings = settings;
    this.#endpoint = new Endpoint(settings, fetch);
    this.#redact = redactor(settings.key);
  }

  /**
   * Asks the model. With `ontokens` the answer is read as a stream, and the function is told after each piece about how
   * many tokens have come; the timeout is then the longest wait for the next piece. A request that failed for a passing
   * reason before a piece of the answer came is sent again. Rejects with a {@linkcode ModelError}, or with the reason of
   * `signal`, which ends the request at once.
   */
  async ask(
    question: Question,
    signal: AbortSignal,
    ontokens?: (tokens: number) => void,
  ): Promise<Answer> {
    const asked = question.model ?? this.#settings.model;
    const body = encode(
      JSON.stringify(this.#body(question, ontokens !== undefined)),
    );
    const accept = ontokens
      ? "text/event-stream, application/json"
      : "application/json";
    const deadline = new Deadline(this.#settings.timeoutMs, signal);
    try {
      for (let attempt = 1;; attempt++) {
        try {
          const received = await this.#endpoint.post(
            body,
            accept,
            deadline.signal,
          );
          const answer = await readAnswer(received, asked, (tokens) => {
            deadline.renew();
            ontokens?.(tokens);
          });
          return this.#withoutKey(answer);
        } catch (cause) {
          signal.throwIfAborted();
          if (deadline.over) throw this.#timeout();
          if (!(cause instanceof ModelError)) throw cause;
          await this.#again(cause, attempt, deadline);
          signal.throwIfAborted();
        }
      }
    } finally {
      deadline.end();
    }
  }

  #body(question: Question, stream: boolean): Record<string, unknown> {
    const { system } = question;
    const long = this.#settings.cache && system !== undefined &&
      encode(system).length >= LONG_SYSTEM;
    const ephemeral = { type: "ephemeral" };
    // What is undefined, JSON.stringify leaves out.
    return {
      model: question.model ?? this.#settings.model,
      max_tokens: question.maxTokens,
      system: long
        ? [{ type: "text", text: system, cache_control: ephemeral }]
        : system,
      messages: [{ role: "user", content: question.prompt }],
      temperature: question.temperature,
      stop_sequences: question.stopSequences,
      stream: stream || undefined,
    };
  }

  /** Waits for the next attempt; rejects with what to tell where there is none. */
  async #again(
    failure: ModelError,
    attempt: number,
    deadline: Deadline,
  ): Promise<void> {
    const { maxRetries, timeoutMs } = this.#settings;
    const { facts } = failure;
    const tell = (more?: string) =>
      new ModelError(this.#redact(failure.told(attempt, more)), facts);
    if (!facts.passing || attempt > maxRetries) throw tell();
    const wait = facts.waitMs ?? backOff(attempt);
    if (wait >= deadline.left) {
      throw tell(
        `the next attempt would have to come within the timeout of ${timeoutMs} ms`,
      );
    }
    log.debug(`${failure.message}; next attempt in ${Math.round(wait)} ms`);
    await pause(wait, deadline.signal);
  }

  #timeout(): ModelError {
    const { url, timeoutMs } = this.#settings;
    return new ModelError(
      `No answer from ${maskUrl(url)} within the timeout of ${timeoutMs} ms; ` +
        "raise CLAUDE_MCP_TIMEOUT_MS or --timeout, or ask for less",
    );
  }

  /** Who was sent the key may well repeat it. */
  #withoutKey(answer: Answer): Answer {
    const { model, stop_reason: reason, usage, text } = answer;
    return {
      model: this.#redact(model),
      stop_reason: reason === null ? null : this.#redact(reason),
      usage,
      text: this.#redact(text),
    };
  }
}

/** 0.5, 1, 2 … seconds, less up to a quarter, so that callers who failed together do not come back together. */
function backOff(attempt: number): number {
  const wait = Math.min(MAX_WAIT, FIRST_WAIT * 2 ** (attempt - 1));
  return wait * (1 - Math.random() / 4);
}
