import { log, maskUrl } from "../log.ts";
import type { Fetch } from "../wire/target.ts";
import { ModelError } from "./failure.ts";
import { Messages } from "./messages.ts";
import type { Settings } from "./settings.ts";

/**
 * Asks the model for one token, and tells on stderr what works: URL, key, model, latency. Resolves with whether all of it
 * does.
 */
export async function check(
  settings: Settings,
  send: Fetch,
  signal: AbortSignal,
): Promise<boolean> {
  const model = new Messages({ ...settings, maxRetries: 0 }, send);
  const began = performance.now();
  let found: Findings, failure = "";
  try {
    const answer = await model.ask({ prompt: "Hi", maxTokens: 1 }, signal);
    const name = answer.model === settings.model
      ? "answers"
      : `answers as ${answer.model}`;
    found = { url: "answers", key: "is accepted", model: name };
  } catch (cause) {
    if (signal.aborted) return false;
    failure = cause instanceof Error ? cause.message : String(cause);
    found = diagnose(cause instanceof ModelError ? cause : undefined);
  }
  const ms = Math.round(performance.now() - began);
  const sent = settings.auth === "bearer" ? "Authorization" : "x-api-key";
  log.plain(
    `URL      ${maskUrl(settings.url)} ${found.url}
Key      ${found.key} (CLAUDE_MCP_API_KEY in ${sent})
Model    ${settings.model} ${found.model}
Latency  ${ms} ms`,
  );
  if (failure !== "") log.plain(`mcp-proxy: ${failure}`);
  return failure === "";
}

/** What is known of each part, as the end of a sentence. */
interface Findings {
  url: string;
  key: string;
  model: string;
}

const UNKNOWN = "is not known to work";

function diagnose(failure: ModelError | undefined): Findings {
  const { status, type } = failure?.facts ?? {};
  if (status === undefined) {
    return { url: "gives no answer", key: UNKNOWN, model: UNKNOWN };
  }
  const url = "answers";
  if (status === 401 || status === 403) {
    return { url, key: "is refused", model: UNKNOWN };
  }
  // Where the API itself speaks, it has let us in; what has no type comes from something else.
  if (type === undefined) {
    return { url: "is no Messages API", key: UNKNOWN, model: UNKNOWN };
  }
  return {
    url,
    key: "is accepted",
    model: status === 404 ? "does not exist there" : UNKNOWN,
  };
}
