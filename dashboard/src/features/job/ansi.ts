/** Terminal text as spans. SGR colours and https links are kept, everything else a terminal would obey is dropped. */

export interface Span {
  readonly text: string;
  readonly color?: string;
  readonly ground?: string;
  readonly bold?: boolean;
  readonly faint?: boolean;
  readonly italic?: boolean;
  readonly underline?: boolean;
  readonly href?: string;
  /** The code point of a character that hides or reorders text, shown in place of it. */
  readonly hidden?: boolean;
}

type Style = Omit<Span, "text" | "hidden">;

// 16 colours that keep 4.5:1 on the log's ground (#14181b) in both themes.
const BASIC = ["#97a3aa", "#ff8f87", "#8fdca8", "#f0cd6d", "#8fc2ff", "#dca6ff", "#7fdbe0", "#f2f5f6"] as const;
const STEPS = [0, 95, 135, 175, 215, 255] as const;
const SEQUENCE =
  // CSI, then OSC (ended by BEL or ST), then DCS/SOS/PM/APC, then two-character escapes
  /\u001b\[([ -?]*)([@-~])|\u001b\]([^\u0007\u001b]*)(?:\u0007|\u001b\\|$)|\u001b[PX^_][^\u001b]*(?:\u001b\\|$)|\u001b./g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const HIDDEN = /([\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff])/;

/** A carriage return starts the line again: what a terminal would still show. Exact for whole overwrites. */
function overwritten(text: string): string {
  if (!text.includes("\r")) return text;
  return text.split("\r").filter(Boolean).at(-1) ?? "";
}

export function spans(line: string): Span[] {
  const text = overwritten(line);
  if (!/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u206f\ufeff]/.test(text)) return [{ text }];
  const found: Span[] = [];
  let style: Style = {};
  let from = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    push(found, text.slice(from, match.index), style);
    from = match.index + match[0].length;
    if (match[2] === "m") style = sgr(style, match[1] ?? "");
    else if (match[3] !== undefined) style = linked(style, match[3]);
  }
  push(found, text.slice(from), style);
  return found;
}

/** The text alone, for where the colours would not be readable. */
export function plainText(line: string): string {
  return spans(line)
    .map((part) => part.text)
    .join("");
}

function push(found: Span[], text: string, style: Style): void {
  const clean = text.replace(CONTROL, "\ufffd");
  for (const part of clean.split(HIDDEN)) {
    if (!part) continue;
    const code = HIDDEN.test(part) ? (part.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0") : "";
    found.push(code ? { text: `U+${code}`, hidden: true } : { ...style, text: part });
  }
}

/** OSC 8 with an http(s) address; other addresses end the link and show nothing but their text. */
function linked(style: Style, osc: string): Style {
  const match = /^8;[^;]*;(.*)$/.exec(osc);
  if (!match) return style;
  const { href: _, ...rest } = style;
  return /^https?:\/\//i.test(match[1] ?? "") ? { ...rest, href: match[1] ?? "" } : rest;
}

function sgr(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map(Number);
  let now: Record<string, unknown> = { ...style };
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) now = style.href ? { href: style.href } : {};
    else if (code === 1) now["bold"] = true;
    else if (code === 2) now["faint"] = true;
    else if (code === 3) now["italic"] = true;
    else if (code === 4) now["underline"] = true;
    else if (code === 22) now = { ...now, bold: false, faint: false };
    else if (code === 23) now["italic"] = false;
    else if (code === 24) now["underline"] = false;
    else if (code === 39) delete now["color"];
    else if (code === 49) delete now["ground"];
    else if (code === 38 || code === 48) {
      const [rgb, used] = extended(codes.slice(i + 1));
      i += used;
      if (rgb) now[code === 38 ? "color" : "ground"] = code === 38 ? readable(rgb) : dimmed(rgb);
    } else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) now["color"] = BASIC[code % 10];
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) {
      now["ground"] = dimmed(toRgb(BASIC[code % 10] ?? BASIC[0]));
    }
  }
  return now;
}

type Rgb = readonly [number, number, number];

function toRgb(hex: string): Rgb {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb;
}

function extended(rest: readonly number[]): [Rgb | null, number] {
  if (rest[0] === 2) return [[byte(rest[1]), byte(rest[2]), byte(rest[3])], 4];
  if (rest[0] !== 5) return [null, 1];
  const n = byte(rest[1]);
  if (n < 16) return [toRgb(BASIC[n % 8] ?? BASIC[0]), 2];
  if (n >= 232) return [[8 + (n - 232) * 10, 8 + (n - 232) * 10, 8 + (n - 232) * 10], 2];
  const cube = n - 16;
  return [[STEPS[Math.floor(cube / 36)] ?? 0, STEPS[Math.floor(cube / 6) % 6] ?? 0, STEPS[cube % 6] ?? 0], 2];
}

const byte = (value: number | undefined): number => Math.max(0, Math.min(255, Math.trunc(value ?? 0) || 0));

/** Mixed with white until it reads on the log's ground: a relative luminance of 0.22 gives about 4.7:1. */
function readable(rgb: Rgb): string {
  let mixed = rgb;
  for (let step = 0; step < 20 && luminance(mixed) < 0.22; step += 1) {
    mixed = mixed.map((value) => value + (255 - value) * 0.12) as unknown as Rgb;
  }
  return css(mixed);
}

/** A ground dark enough for every text colour above. */
function dimmed(rgb: Rgb): string {
  return css(rgb.map((value) => 20 + value * 0.14) as unknown as Rgb);
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((value) => {
    const s = value / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const css = (rgb: Rgb): string => `rgb(${rgb.map((value) => String(Math.round(value))).join(" ")})`;
