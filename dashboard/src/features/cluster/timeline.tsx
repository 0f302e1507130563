import type { Day } from "@/api/types";
import { plural } from "@/lib/plural";

const WIDTH = 600;
const HEIGHT = 96;

/** Reports a day as bars, and how many there were in all as a line; the same numbers as a table. */
export function Timeline({ days: known }: { readonly days: readonly Day[] }) {
  const days = everyDay(known, new Date().toISOString().slice(0, 10));
  const most = Math.max(...days.map((day) => day.count), 1);
  const sums = runningSums(days);
  const all = sums.at(-1) ?? 1;
  const width = WIDTH / days.length;
  const line = sums.map(
    (sum, index) => `${String((index + 0.5) * width)},${String(HEIGHT - (sum / all) * (HEIGHT - 8))}`,
  );
  return (
    <figure className="timeline">
      <svg
        role="img"
        aria-label={`${plural(all, "report")} since ${known[0]?.day ?? "today"}, at most ${String(most)} a day`}
        viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`}
        preserveAspectRatio="none"
      >
        {days.map((day, index) => {
          const height = (day.count / most) * (HEIGHT - 12);
          return (
            <rect
              key={day.day}
              x={index * width + 1}
              y={HEIGHT - height}
              width={Math.max(width - 2, 1)}
              height={height}
              rx="1.5"
            />
          );
        })}
        <polyline points={line.join(" ")} />
      </svg>
      <figcaption className="small muted stack-tight">
        <span className="spread">
          <span>{days[0]?.day}</span>
          <span>today</span>
        </span>
        <span className="timeline-keys">
          <span className="key key-accent">reports a day, at most {most}</span>
          <span className="key key-live">in all, {all}</span>
        </span>
      </figcaption>
      <details>
        <summary className="small">As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Day</th>
              <th scope="col">Reports</th>
              <th scope="col">In all</th>
            </tr>
          </thead>
          <tbody>
            {days.map((day, index) =>
              day.count ? (
                <tr key={day.day}>
                  <th scope="row">{day.day}</th>
                  <td>{day.count}</td>
                  <td>{sums[index]}</td>
                </tr>
              ) : null,
            )}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

const DAY_MS = 86_400_000;
const LEAST = 14;

/** Each day from the first report, or two weeks ago, until today; days without a report count 0. */
export function everyDay(known: readonly Day[], today: string): Day[] {
  const counts = new Map(known.map((day) => [day.day, day.count]));
  const end = Math.max(Date.parse(today), ...known.map((day) => Date.parse(day.day)));
  const start = Math.min(end - (LEAST - 1) * DAY_MS, ...known.map((day) => Date.parse(day.day)));
  const days: Day[] = [];
  for (let at = start; at <= end; at += DAY_MS) {
    const day = new Date(at).toISOString().slice(0, 10);
    days.push({ day, count: counts.get(day) ?? 0 });
  }
  return days;
}

export function runningSums(days: readonly Day[]): number[] {
  let sum = 0;
  return days.map((day) => (sum += day.count));
}
