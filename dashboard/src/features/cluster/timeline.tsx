import type { Day } from "@/api/types";

const WIDTH = 600;
const HEIGHT = 96;

/** Reports a day as bars, and how many there were in all as a line; the same numbers as a table. */
export function Timeline({ days }: { readonly days: readonly Day[] }) {
  const most = Math.max(...days.map((day) => day.count), 1);
  const sums = runningSums(days);
  const all = sums.at(-1) ?? 1;
  const width = WIDTH / Math.max(days.length, 14);
  const line = sums.map(
    (sum, index) => `${String((index + 0.5) * width)},${String(HEIGHT - (sum / all) * (HEIGHT - 8))}`,
  );
  return (
    <figure className="timeline">
      <svg viewBox={`0 0 ${String(WIDTH)} ${String(HEIGHT)}`} preserveAspectRatio="none" aria-hidden="true">
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
        {days.length > 1 ? <polyline points={line.join(" ")} /> : null}
      </svg>
      <figcaption className="small muted spread">
        <span>{days[0]?.day}</span>
        <span>
          bars: reports a day, at most {most} · line: all, {all}
        </span>
        <span>{days.length > 1 ? days.at(-1)?.day : ""}</span>
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

export function runningSums(days: readonly Day[]): number[] {
  let sum = 0;
  return days.map((day) => (sum += day.count));
}
