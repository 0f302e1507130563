export interface DiffLine {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

/** Lines of two texts by their longest common subsequence. For texts of a plan: quadratic in the number of lines. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const a = before === "" ? [] : before.split("\n");
  const b = after === "" ? [] : after.split("\n");
  const length = lengths(a, b);
  const result: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    if (left !== undefined && left === right) {
      result.push({ kind: "same", text: left });
      i += 1;
      j += 1;
    } else if (right !== undefined && (left === undefined || at(length, i, j + 1) > at(length, i + 1, j))) {
      result.push({ kind: "added", text: right });
      j += 1;
    } else {
      result.push({ kind: "removed", text: left ?? "" });
      i += 1;
    }
  }
  return result;
}

const at = (table: readonly number[][], i: number, j: number): number => table[i]?.[j] ?? 0;

function lengths(a: readonly string[], b: readonly string[]): number[][] {
  const table = Array.from({ length: a.length + 1 }, () => new Array<number>(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    const row = table[i] ?? [];
    for (let j = b.length - 1; j >= 0; j -= 1) {
      row[j] = a[i] === b[j] ? at(table, i + 1, j + 1) + 1 : Math.max(at(table, i + 1, j), at(table, i, j + 1));
    }
  }
  return table;
}
