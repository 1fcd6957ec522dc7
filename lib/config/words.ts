/**
 * Command lines in one string.
 *
 * @module
 */

/**
 * Splits a command line into words as a POSIX shell does: single quotes, double quotes, backslashes; a backslash before
 * a line break joins the lines. Nothing is expanded and `#` is an ordinary character. Throws an `Error` that names what
 * is not closed.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (c === "\\" && quote !== "'") {
      const next = line.charAt(++i);
      if (next === "") {
        throw new Error(
          `nothing follows the backslash at the end of ${JSON.stringify(line)}`,
        );
      }
      if (next === "\n") continue;
      // Between double quotes a backslash is special only before these.
      const plain = quote === '"' && !'$`"\\'.includes(next);
      word = (word ?? "") + (plain ? c : "") + next;
    } else if (quote !== "") {
      if (c === quote) quote = "";
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= "";
    } else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? "") + c;
  }
  if (quote !== "") {
    throw new Error(`a ${quote} is not closed in ${JSON.stringify(line)}`);
  }
  if (word !== undefined) words.push(word);
  return words;
}
