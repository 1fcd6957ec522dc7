/**
 * Keeps secrets out of whatever is printed. Rather too much is hidden than too little: nobody needs the value of
 * something called a key in a log.
 *
 * @module
 */

const HIDDEN = "***";

const SECRET_NAME =
  /token|key|secret|passw|pwd|passphrase|credential|authorization|cookie/i;

const URL_LIKE = /\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>`]+/gi;

// These run to the end of their line, or of the string that quotes them.
const HEADER =
  /\b((?:proxy-)?authorization|(?:set-)?cookie2?)(\\*["']?\s*[:=]\s*\\*["']?)[^\r\n"'\\]+/gi;

const SCHEME = /\b(bearer|basic|digest)\s+[\w.~+/=-]{4,}/gi;

// A list, a quoted text, one whose closing quote is escaped or lost, a word.
const VALUE = String
  .raw`(\[[^\]]*\]|"(?:[^"\\]|\\.)*"|'[^']*'|["'][^"'\\]*|[^\s"'\\,;&})\]]+)`;

// The look-behind keeps a long word from being tried at each of its letters.
const PAIR = new RegExp(
  String.raw`(?<![\w.-])([\w.-]+)(\\*["']?\s*[:=]\s*\\*)` + VALUE,
  "g",
);

/** The words of a command line: `--api-access-token abc`, `-e API_KEY abc`. */
const FLAG = new RegExp(
  String
    .raw`(?<![\w-])(--?(?:(?:e|env|H|headers?)[\s=]+["']?)?)([\w.-]+)(["']?\s+)(?!-)` +
    VALUE,
  "g",
);

/** What follows a flag in our own sentences: `--client-secret needs a value`. */
const PROSE =
  /^(?:a|an|and|are|as|belongs?|better|cannot|file|for|from|has|have|in|is|must|needs?|nor|of|on|or|takes?|the|to|was|with|without)$/;

/** Secrets known by value are hidden wherever they stand; shorter ones would hide ordinary words. */
const MIN_KNOWN = 6;
const MAX_KNOWN = 1000;
const known = new Set<string>();

/** Hides this very value in all that is printed from now on (values of at least 6 characters, the first 1000). */
export function hide(secret: string): void {
  if (secret.length >= MIN_KNOWN && known.size < MAX_KNOWN) known.add(secret);
}

/** Hides the value, and what follows its first word as in `Bearer abc`, where its name says that it is a secret. */
export function hideNamed(name: string, value: string): void {
  if (!isSecretName(name)) return;
  hide(value);
  hide(value.replace(/^\S+\s+/, ""));
}

/** Whether a value of this name is a secret: `API_KEY`, `x-auth-token`, `clientSecret`, `Cookie`, … */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** A URL without its secrets: user and password, the values of the query and the fragment are `***`. */
export function maskUrl(url: string): string {
  const [, before = url, query, fragment] =
    /^([^?#]*)(\?[^#]*)?(#.*)?$/s.exec(url) ?? [];
  let text = before.replace(/^([^:/]+:\/\/)[^/]*@/, `$1${HIDDEN}@`);
  if (query !== undefined) {
    const parts = query.slice(1).split("&").map((part) => {
      const at = part.indexOf("=");
      return at < 0 ? (part && HIDDEN) : `${part.slice(0, at)}=${HIDDEN}`;
    });
    text += `?${parts.join("&")}`;
  }
  return fragment === undefined ? text : `${text}#${HIDDEN}`;
}

/** A text without the secrets in it: credentials, values whose name says so, what URLs carry, and what {@link hide} was told. */
export function mask(text: string): string {
  for (const secret of known) text = text.replaceAll(secret, HIDDEN);
  return text
    .replace(URL_LIKE, maskUrl)
    .replace(HEADER, `$1$2${HIDDEN}`)
    .replace(SCHEME, `$1 ${HIDDEN}`)
    .replace(
      FLAG,
      (all, dash: string, name: string, gap: string, value: string) =>
        isSecretName(name) && !PROSE.test(value)
          ? `${dash}${name}${gap}${HIDDEN}`
          : all,
    )
    .replace(
      PAIR,
      (all, name: string, sign: string, value: string) =>
        isSecretName(name) && !/^["']?\*{3}["']?$/.test(value)
          ? `${name}${sign}${HIDDEN}`
          : all,
    );
}

/** Objects nested deeper than this are not printed. */
const MAX_DEPTH = 6;

/** The value of a log field without the secrets in it. Numbers and booleans are never secrets: `max_tokens: 1024`. */
export function maskField(name: string, value: unknown, depth = 0): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (isSecretName(name)) return HIDDEN;
  if (typeof value === "string") return mask(value);
  if (typeof value !== "object") return String(value);
  if (value instanceof Error) return mask(value.message);
  if (value instanceof URL) return maskUrl(value.href);
  if (depth >= MAX_DEPTH) return "…";
  if (Array.isArray(value)) {
    return value.map((one) => maskField(name, one, depth + 1));
  }
  return Object.fromEntries(
    Object.entries(value).map((
      [key, one],
    ) => [key, maskField(key, one, depth + 1)]),
  );
}
