import type { LogChunk } from "@/api/types";

export interface Line { readonly attempt: number; readonly n: number; readonly text: string; readonly stream: string; readonly at: string }
export interface Group {
  readonly key: string; readonly attempt: number; readonly phase: string; readonly step: string | null;
  readonly start: number; readonly startedAt: string; end: number; endedAt: string; failed: boolean;
}

/**
 * All lines of a job's log, numbered per attempt from 0 without gaps, grouped by attempt, phase and tool call.
 * Appending costs the lines appended, whatever the size; readers are told at most once a frame.
 */
export class LogStore {
  readonly lines: Line[] = [];
  readonly groups: Group[] = [];
  version = 0;
  ended = false;
  private open = false;
  private readonly listeners = new Set<() => void>();
  private scheduled = false;

  add(chunk: LogChunk): void {
    let group = this.groups.at(-1);
    if (!group || group.attempt !== chunk.attempt || group.phase !== chunk.phase || group.step !== chunk.step) {
      const start = this.lines.length;
      group = {
        key: `${String(chunk.attempt)}:${String(chunk.first)}:${chunk.phase}`, attempt: chunk.attempt, phase: chunk.phase, step: chunk.step,
        start, startedAt: chunk.at, end: start, endedAt: chunk.at, failed: false,
      };
      this.groups.push(group);
    }
    chunk.lines.forEach((text, offset) => {
      const last = this.lines.at(-1);
      if (this.open && offset === 0 && last) {
        this.lines[this.lines.length - 1] = { ...last, text: last.text + text };
        return;
      }
      this.lines.push({ attempt: chunk.attempt, n: chunk.first + offset, text, stream: chunk.stream, at: chunk.at });
    });
    this.open = chunk.partial;
    group.end = this.lines.length;
    group.endedAt = chunk.at;
    group.failed ||= chunk.stream === "stderr" && chunk.lines.some((line) => /\b(error|failed|traceback)\b/i.test(line));
    this.changed();
  }

  finish(): void {
    this.ended = true;
    this.changed();
  }

  /** Indexes of the lines that contain the text; case does not matter. */
  search(text: string): number[] {
    if (!text) return [];
    const wanted = text.toLowerCase();
    const found: number[] = [];
    this.lines.forEach((line, index) => { if (line.text.toLowerCase().includes(wanted)) found.push(index); });
    return found;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => { this.listeners.delete(listener); };
  };

  private changed(): void {
    this.version += 1;
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener();
    });
  }
}

export type Row = { readonly kind: "group"; readonly group: Group } | { readonly kind: "line"; readonly line: Line; readonly index: number };

/** The rows to draw: a head for each group, its lines unless it is folded. */
export function rowsOf(store: LogStore, folded: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  for (const group of store.groups) {
    rows.push({ kind: "group", group });
    if (folded.has(group.key)) continue;
    for (let index = group.start; index < group.end; index += 1) {
      const line = store.lines[index];
      if (line) rows.push({ kind: "line", line, index });
    }
  }
  return rows;
}
