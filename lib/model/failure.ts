import { maskUrl } from "../log.ts";
import { ConnectError } from "../wire/http1.ts";
import { connectFault } from "../wire/target.ts";

/** Facts about a failure. */
export interface Facts {
  /** What to do about it. */
  readonly remedy?: string | undefined;
  /** The HTTP status; `undefined` where there was no HTTP answer. */
  readonly status?: number | undefined;
  /** `error.type` of the API. */
  readonly type?: string | undefined;
  /** Whether the same request may succeed later. */
  readonly passing?: boolean | undefined;
  /** How long the API asks to wait before that, in ms. */
  readonly waitMs?: number | undefined;
}

/** A request that brought no answer. The message is for people. */
export class ModelError extends Error {
  /** What is known about it. */
  readonly facts: Facts;

  /** Says what failed; {@linkcode Facts.remedy} is added by {@linkcode told}. */
  constructor(message: string, facts: Facts = {}) {
    super(message);
    this.name = "ModelError";
    this.facts = facts;
  }

  /** The whole sentence, after so many attempts. */
  told(attempts: number, more?: string): string {
    const often = attempts > 1 ? ` (${attempts} attempts)` : "";
    const { remedy } = this.facts;
    return [this.message + often, more, remedy].filter(Boolean).join("; ");
  }
}

/** Makes an error of what making a request, or reading a body, has thrown. */
export function networkFault(cause: unknown, url: string): ModelError {
  const why = reason(cause);
  if (!(cause instanceof ConnectError)) {
    return new ModelError(`The connection to ${maskUrl(url)} broke: ${why}`, {
      passing: true,
      remedy: "ask again",
    });
  }
  const fault = connectFault(why);
  return new ModelError(`Cannot reach ${maskUrl(url)}: ${fault}`, {
    passing: !/certificate/i.test(fault),
  });
}

/** The text of whatever was thrown. */
export function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
