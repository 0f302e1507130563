import { Panel } from "@/components/ui";
import type { Week } from "./weeks";
import "./week-chart.css";

const SLOT = 52;
const HEIGHT = 90;

/** How fixes ended and what they cost, by week; the same as a table. */
export function WeekChart({ weeks }: { readonly weeks: readonly Week[] }) {
  if (weeks.length === 0) return null;
  const most = Math.max(...weeks.map((week) => week.success + week.failed + week.other), 1);
  const dearest = Math.max(...weeks.map((week) => week.cost), 0.01);
  const width = Math.max(weeks.length, 6) * SLOT;
  return (
    <Panel title="By week">
      <figure className="weeks">
        <svg
          viewBox={`0 0 ${String(width)} ${String(HEIGHT + 22)}`}
          preserveAspectRatio="xMinYMid meet"
          aria-hidden="true"
        >
          {weeks.map((week, index) => (
            <Bars key={week.week} week={week} x={index * SLOT} most={most} dearest={dearest} />
          ))}
        </svg>
        <figcaption className="small row">
          <span className="key key-good">succeeded</span>
          <span className="key key-bad">failed</span>
          <span className="key key-other">other</span>
          <span className="key key-cost">cost, at most ${dearest.toFixed(2)}</span>
        </figcaption>
        <details>
          <summary className="small">As a table</summary>
          <table>
            <thead>
              <tr>
                {["Week of", "Succeeded", "Failed", "Other", "Cost"].map((name) => (
                  <th key={name} scope="col">
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {weeks.map((week) => (
                <tr key={week.week}>
                  <th scope="row">{week.week}</th>
                  <td>{week.success}</td>
                  <td>{week.failed}</td>
                  <td>{week.other}</td>
                  <td>${week.cost.toFixed(2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </details>
      </figure>
    </Panel>
  );
}

interface BarsProps {
  readonly week: Week;
  readonly x: number;
  readonly most: number;
  readonly dearest: number;
}

function Bars({ week, x, most, dearest }: BarsProps) {
  const unit = (HEIGHT - 6) / most;
  const [good, bad, other] = [week.success * unit, week.failed * unit, week.other * unit];
  const cost = (week.cost / dearest) * (HEIGHT - 6);
  return (
    <g>
      <rect className="good" x={x + 8} width={20} y={HEIGHT - good} height={good} />
      <rect className="bad" x={x + 8} width={20} y={HEIGHT - good - bad} height={bad} />
      <rect className="other" x={x + 8} width={20} y={HEIGHT - good - bad - other} height={other} />
      <rect className="cost" x={x + 31} width={9} y={HEIGHT - cost} height={cost} />
      <text x={x + 24} y={HEIGHT + 15}>
        {week.week.slice(5)}
      </text>
    </g>
  );
}
