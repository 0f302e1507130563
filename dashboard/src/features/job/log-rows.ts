import type { Line, LogStore, Part } from "./log-store";

/** A row of the log as it is drawn. */
export type Row =
  | { readonly kind: "phase"; readonly part: Part; readonly folded: boolean }
  | { readonly kind: "step"; readonly part: Part; readonly line: Line; readonly folded: boolean }
  | { readonly kind: "gap"; readonly part: Part }
  | { readonly kind: "line"; readonly part: Part; readonly line: Line; readonly index: number };

const FEW = 8;

/** What a person opened and closed, over what is open by itself. Keys are the numbers of parts; phases are `p<number>`. */
export type Folds = ReadonlyMap<string, boolean>;

interface Placed {
  readonly part: Part;
  readonly first: number;
  readonly heads: readonly ("phase" | "gap" | "step")[];
  readonly body: number;
  readonly from: number;
  readonly phaseFolded: boolean;
  readonly folded: boolean;
}

/**
 * The rows without making them: which row stands at a place, and at which place a line stands. Building costs the number
 * of parts, not of lines.
 */
export class LogRows {
  readonly count: number;
  private readonly placed: readonly Placed[];

  constructor(
    private readonly store: LogStore,
    folds: Folds,
  ) {
    const placed: Placed[] = [];
    let first = 0;
    let phaseFolded = false;
    store.parts.forEach((part, number) => {
      if (part.opens) phaseFolded = folds.get(phaseKey(number)) ?? false;
      const one = place(part, number, first, phaseFolded, folds, store);
      placed.push(one);
      first += one.heads.length + one.body;
    });
    this.placed = placed;
    this.count = first;
  }

  row(at: number): Row | undefined {
    const found = this.partAt(at);
    if (!found) return undefined;
    const inside = at - found.first;
    const head = found.heads[inside];
    if (head === "phase") return { kind: "phase", part: found.part, folded: found.phaseFolded };
    if (head === "gap") return { kind: "gap", part: found.part };
    if (head === "step") {
      const title = this.store.lines[found.part.start];
      return title ? { kind: "step", part: found.part, line: title, folded: found.folded } : undefined;
    }
    const index = found.from + inside - found.heads.length;
    const line = this.store.lines[index];
    return line ? { kind: "line", part: found.part, line, index } : undefined;
  }

  /** The row of a line: the line's own, or the head that hides it. */
  rowOf(index: number): number {
    const found = this.placed.findLast((one) => one.part.start <= index);
    if (!found) return 0;
    if (found.phaseFolded) return this.phaseRows().findLast((row) => row <= found.first) ?? found.first;
    const inside = index - found.from;
    return inside < 0 || found.body === 0
      ? found.first + Math.max(0, found.heads.length - 1)
      : found.first + found.heads.length + inside;
  }

  phaseRows(): number[] {
    return this.placed.filter((one) => one.heads[0] === "phase").map((one) => one.first);
  }

  private partAt(at: number): Placed | undefined {
    let low = 0;
    let high = this.placed.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.placed[middle]?.first ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return this.placed[low];
  }
}

export const phaseKey = (number: number): string => `p${String(number)}`;

function place(part: Part, number: number, first: number, phaseFolded: boolean, folds: Folds, store: LogStore): Placed {
  const heads: ("phase" | "gap" | "step")[] = part.opens ? ["phase"] : [];
  if (phaseFolded) return { part, first, heads, body: 0, from: part.start, phaseFolded, folded: true };
  if (part.missing > 0) heads.push("gap");
  const step = part.step !== null;
  if (step) heads.push("step");
  const folded = folds.get(String(number)) ?? (step && closedByItself(part, store));
  const from = step ? part.start + 1 : part.start; // the first line of a tool call is its title
  return { part, first, heads, body: folded ? 0 : Math.max(0, part.end - from), from, phaseFolded, folded };
}

/** What failed, what is running and what is short stays open. */
function closedByItself(part: Part, store: LogStore): boolean {
  const running = !store.ended && part === store.parts.at(-1);
  return !part.failed && !running && part.end - part.start > FEW;
}
