import { AnsiUp } from "ansi_up";

const OTHER = /\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[PX^_][^\u001b]*(?:\u001b\\)?|\u001b\[[0-?]*[ -/]*[@-ln-~]/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g;

/**
 * Safe HTML of one log line: colours (SGR) become spans, all other sequences go (links, titles, clipboard, cursor),
 * a carriage return leaves only what a terminal would still show. ansi_up escapes the text itself.
 */
export function lineHtml(text: string): string {
  const shown = text.includes("\r") ? (text.split("\r").filter(Boolean).at(-1) ?? "") : text;
  const ansi = new AnsiUp();
  ansi.use_classes = true;
  ansi.url_allowlist = {};
  return ansi.ansi_to_html(shown.replace(OTHER, "").replace(CONTROL, "�"));
}
