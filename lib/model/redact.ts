/** Shorter keys are no secrets, and hiding them would hide ordinary words. */
const MIN_KEY = 6;

/** Takes a key out of texts, in whatever letter case. */
export function redactor(key: string): (text: string) => string {
  if (key.length < MIN_KEY) return (text) => text;
  const literal = key.replace(/[^\w\s]/g, "\\$&");
  const found = new RegExp(literal, "gi");
  return (text) => text.replace(found, "***");
}
