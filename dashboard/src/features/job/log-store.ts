import type { LogChunk } from "@/api/types";

export interface Line {
  readonly attempt: number;
  readonly n: number;
  readonly text: string;
  readonly stream: string;
  readonly at: string;
}

/** A run of lines of one attempt, phase and tool call. */
export interface Part {
  readonly attempt: number;
  readonly phase: string;
  /** The tool call; null for what is said outside of one. */
  readonly step: string | null;
  readonly start: number;
  end: number;
  readonly startedAt: string;
  endedAt: string;
  failed: boolean;
  /** Whether this part is the first of its phase. */
  readonly opens: boolean;
  /** Lines that never came before this part. */
  readonly missing: number;
}

const TOLD_MS = 80;
const MANY = 20_000;

/**
 * All lines of a job's log, numbered per attempt from 0, in parts by attempt, phase and tool call. Appending costs the
 * lines appended, whatever the size; readers are told at most once a frame, and less often when there is much.
 */
export class LogStore {
  readonly lines: Line[] = [];
  readonly parts: Part[] = [];
  version = 0;
  ended = false;
  private open = false;
  private readonly next = new Map<number, number>();
  private readonly listeners = new Set<() => void>();
  private scheduled = false;

  add(chunk: LogChunk): void {
    const expected = this.next.get(chunk.attempt) ?? 0;
    const skip = Math.max(0, expected - chunk.first);
    const texts = skip > 0 ? chunk.lines.slice(skip) : chunk.lines;
    if (texts.length === 0) return;
    const missing = Math.max(0, chunk.first - expected);
    this.next.set(chunk.attempt, chunk.first + chunk.lines.length);
    const part = this.partOf(chunk, missing);
    texts.forEach((text, offset) => {
      this.append(chunk, text, chunk.first + skip + offset, part, offset === 0 && missing === 0);
    });
    this.open = chunk.partial;
    part.end = this.lines.length;
    part.endedAt = chunk.at;
    this.changed();
  }

  finish(): void {
    this.ended = true;
    this.changed();
  }

  /** Indexes of the lines that hold the text; case does not matter. */
  search(text: string): number[] {
    if (!text) return [];
    const wanted = text.toLowerCase();
    const found: number[] = [];
    this.lines.forEach((line, index) => {
      if (line.text.toLowerCase().includes(wanted)) found.push(index);
    });
    return found;
  }

  indexOf(attempt: number, n: number): number {
    return this.lines.findIndex((line) => line.attempt === attempt && line.n === n);
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  private partOf(chunk: LogChunk, missing: number): Part {
    const last = this.parts.at(-1);
    const phase = last?.attempt === chunk.attempt && last.phase === chunk.phase;
    if (last && phase && last.step === chunk.step && missing === 0) return last;
    const start = this.lines.length;
    const part = {
      attempt: chunk.attempt,
      phase: chunk.phase,
      step: chunk.step,
      start,
      end: start,
      startedAt: chunk.at,
      endedAt: chunk.at,
      failed: false,
      opens: !phase,
      missing,
    };
    this.parts.push(part);
    return part;
  }

  private append(chunk: LogChunk, text: string, n: number, part: Part, first: boolean): void {
    const last = this.lines.at(-1);
    if (this.open && first && last?.attempt === chunk.attempt) {
      this.lines[this.lines.length - 1] = { ...last, text: last.text + text };
      return;
    }
    this.lines.push({ attempt: chunk.attempt, n, text, stream: chunk.stream, at: chunk.at });
    part.failed ||= failing(chunk, text);
  }

  private changed(): void {
    this.version += 1;
    if (this.scheduled) return;
    this.scheduled = true;
    const tell = (): void => {
      this.scheduled = false;
      for (const listener of this.listeners) listener();
    };
    if (this.lines.length > MANY && !this.ended) window.setTimeout(tell, TOLD_MS);
    else requestAnimationFrame(tell);
  }
}

/** As the runner writes it: an exit code other than 0 or a refusal of a tool call, an error on stderr. */
function failing(chunk: LogChunk, text: string): boolean {
  if (chunk.step !== null) return /^ {2}(exit code [1-9]|refused:)/.test(text);
  if (chunk.stream === "system") return text.startsWith("failed:");
  return chunk.stream === "stderr" && /\b(error|failed|traceback)\b/i.test(text);
}
