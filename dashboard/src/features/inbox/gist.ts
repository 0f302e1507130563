const COUNTED = /^\d+ reports? from .+ UTC\b.*$/;

/** A summary without its line of numbers, which a row of the inbox shows already. */
export function gist(summary: string): string {
  return summary
    .split("\n")
    .filter((line) => !COUNTED.test(line))
    .join(" ");
}
