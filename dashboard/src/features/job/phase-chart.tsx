import { duration } from "@/lib/time";
import { PHASES, type Stretch } from "./phases";

const LEFT = 74;
const WIDTH = 640;
const ROW = 22;

/** When the job was in which phase, as bars over time; the same as a table. */
export function PhaseChart({ spent }: { readonly spent: readonly Stretch[] }) {
  const start = Math.min(...spent.map((one) => one.from));
  const end = Math.max(...spent.map((one) => one.to), start + 1000);
  const x = (at: number): number => LEFT + ((at - start) / (end - start)) * (WIDTH - LEFT - 8);
  const shown = PHASES.filter(([phase]) => spent.some((one) => one.phase === phase));
  if (spent.length === 0) return null;
  return (
    <figure className="gantt">
      <svg viewBox={`0 0 ${String(WIDTH)} ${String(shown.length * ROW + 6)}`} aria-hidden="true">
        {shown.map(([phase, label], row) => (
          <g key={phase}>
            <text x={8} y={row * ROW + 17}>
              {label}
            </text>
            <line x1={LEFT} x2={WIDTH - 8} y1={row * ROW + ROW + 2} y2={row * ROW + ROW + 2} />
            {spent
              .filter((one) => one.phase === phase)
              .map((one) => (
                <rect
                  key={one.from}
                  className={`gantt-${phase}`}
                  x={x(one.from)}
                  y={row * ROW + 6}
                  width={Math.max(2, x(one.to) - x(one.from))}
                  height={13}
                  rx={3}
                />
              ))}
          </g>
        ))}
      </svg>
      <figcaption className="small muted">{duration((end - start) / 1000)} from the request on.</figcaption>
      <details>
        <summary className="small">As a table</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Phase</th>
              <th scope="col">Attempt</th>
              <th scope="col">From</th>
              <th scope="col">Took</th>
            </tr>
          </thead>
          <tbody>
            {spent.map((one) => (
              <tr key={`${one.phase}${String(one.from)}`}>
                <th scope="row">{PHASES.find(([phase]) => phase === one.phase)?.[1] ?? one.phase}</th>
                <td>{one.attempt || "–"}</td>
                <td>{duration((one.from - start) / 1000)} in</td>
                <td>{duration((one.to - one.from) / 1000)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
