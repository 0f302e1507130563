const START = 8;
const RUN = 5;
const INSIDE = 1;
/** Share of the letters that may stand alone inside of words: more of them say nothing in a long text. */
const STREWN = 0.4;

/**
 * How well a text fits what was typed; 0 when it does not. Each word's letters must stand in the text in their order;
 * those that begin words or follow each other count more, and a short text more than a long one.
 */
export function fit(typed: string, text: string): number {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return 1;
  const place = text.toLowerCase();
  let sum = 0;
  for (const word of words) {
    const found = best(word, place);
    if (!found) return 0;
    sum += found;
  }
  return sum / words.length + 1 / (1 + text.length);
}

/** A whole occurrence beats letters that are strewn about. */
function best(word: string, text: string): number {
  const whole = whereWhole(word, text);
  if (whole >= 0) return word.length * RUN + (begins(text, whole) ? START : 0) + START;
  let at = -1;
  let score = 0;
  let strewn = 0;
  for (const letter of word) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return 0;
    const near = next === at + 1;
    if (!near && !begins(text, next)) strewn += 1;
    score += begins(text, next) ? START : near ? RUN : INSIDE;
    at = next;
  }
  return strewn <= word.length * STREWN ? score / 2 : 0;
}

function whereWhole(word: string, text: string): number {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) if (begins(text, at)) return at;
  return text.indexOf(word);
}

const begins = (text: string, at: number): boolean => at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1] ?? "");
