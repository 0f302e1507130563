/** Texts and addresses that strangers or an agent wrote. */

const HIDDEN = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

export interface Piece {
  readonly text: string;
  readonly hidden: boolean;
}

/** The text in pieces; characters that hide or reorder text become pieces of their own, by code point. */
export function reveal(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), hidden: false });
    const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    pieces.push({ text: `U+${code}`, hidden: true });
    from = match.index + match[0].length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from), hidden: false });
  return pieces;
}

/** The same as plain text, for labels that are only heard. */
export function revealed(text: string): string {
  return reveal(text)
    .map((piece) => (piece.hidden ? ` ${piece.text} ` : piece.text))
    .join("");
}

/** The address when it is http(s) or a path of ours, else undefined: `javascript:` and the like never become a link. */
export function safeHref(address: string | null | undefined): string | undefined {
  if (!address) return undefined;
  try {
    const parsed = new URL(address, window.location.origin);
    return parsed.protocol === "http:" || parsed.protocol === "https:" ? parsed.href : undefined;
  } catch {
    return undefined;
  }
}
