import { Panel } from "@/components/ui";
import { plural } from "@/lib/plural";
import type { Week } from "./weeks";
import "./week-chart.css";

const SLOT = 84;
const HEIGHT = 74;
const TOP = 16;
const month = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** How fixes ended and what they cost, by week, this week last; the same as a table. */
export function WeekChart({ weeks }: { readonly weeks: readonly Week[] }) {
  if (weeks.length === 0) return null;
  const most = Math.max(...weeks.map(all), 1);
  const dearest = Math.max(...weeks.map((week) => week.cost), 0.01);
  const ended = weeks.reduce((sum, week) => sum + week.success + week.failed, 0);
  const good = weeks.reduce((sum, week) => sum + week.success, 0);
  const cost = weeks.reduce((sum, week) => sum + week.cost, 0);
  const told = `${String(good)} of ${plural(ended, "ended fix", "ended fixes")} succeeded in ${plural(weeks.length, "week")}, for $${cost.toFixed(2)}`;
  return (
    <Panel title="By week">
      <figure className="weeks">
        <div className="scroll-x" role="region" aria-label="Fixes by week" tabIndex={0}>
          <svg viewBox={`0 0 ${String(weeks.length * SLOT)} ${String(TOP + HEIGHT + 34)}`} role="img" aria-label={told}>
            {weeks.map((week, index) => (
              <Bars key={week.week} week={week} x={index * SLOT} most={most} dearest={dearest} />
            ))}
          </svg>
        </div>
        <figcaption className="small row">
          <span className="key key-good">succeeded</span>
          <span className="key key-bad">failed</span>
          <span className="key key-other">other</span>
          <span className="key key-cost">cost</span>
          <span className="muted">{told}.</span>
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
  const unit = HEIGHT / most;
  const [good, bad, other] = [week.success * unit, week.failed * unit, week.other * unit];
  const cost = (week.cost / dearest) * HEIGHT;
  const foot = TOP + HEIGHT;
  const total = all(week);
  return (
    <g>
      <line x1={x + 8} x2={x + SLOT - 8} y1={foot} y2={foot} />
      <rect className="good" x={x + 18} width={26} y={foot - good} height={good} />
      <rect className="bad" x={x + 18} width={26} y={foot - good - bad} height={bad} />
      <rect className="other" x={x + 18} width={26} y={foot - good - bad - other} height={other} />
      <rect className="cost" x={x + 48} width={12} y={foot - cost} height={cost} />
      {total > 0 ? (
        <text x={x + 31} y={foot - total * unit - 4}>
          {total}
        </text>
      ) : null}
      <text x={x + SLOT / 2} y={foot + 14}>
        {month.format(Date.parse(week.week))}
      </text>
      {week.cost > 0 ? (
        <text x={x + SLOT / 2} y={foot + 28}>
          ${week.cost.toFixed(2)}
        </text>
      ) : null}
    </g>
  );
}

const all = (week: Week): number => week.success + week.failed + week.other;
