import type { JobEvent } from "@/api/types";
import { Empty } from "@/components/states";
import { Panel, StatusBadge, Untrusted } from "@/components/ui";
import { absolute, duration } from "@/lib/time";
import { PhaseChart } from "./phase-chart";
import { phaseLabel, type Stretch } from "./phases";

interface Props {
  readonly events: readonly JobEvent[];
  readonly spent: readonly Stretch[];
}

/** The job's phases over time, and every change of its state. */
export function EventsTab({ events, spent }: Props) {
  if (!events.length) return <Empty title="No events yet" />;
  const start = Math.min(...events.map((event) => Date.parse(event.at)));
  return (
    <div className="stack">
      <Panel title="Phases">
        <PhaseChart spent={spent} />
      </Panel>
      <div className="scroll-x panel" role="region" aria-label="Events" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">After</th>
              <th scope="col">Status</th>
              <th scope="col">Phase</th>
              <th scope="col">Attempt</th>
              <th scope="col">What</th>
            </tr>
          </thead>
          <tbody>
            {[...events].reverse().map((event) => (
              <tr key={event.n}>
                <td className="nowrap">
                  <time dateTime={event.at} title={absolute(event.at)}>
                    +{duration(Math.max(0, (Date.parse(event.at) - start) / 1000))}
                  </time>
                </td>
                <td>
                  <StatusBadge status={event.status} />
                </td>
                <td>{phaseLabel(event.phase)}</td>
                <td>{event.attempt}</td>
                <td className="wrap">
                  <Untrusted text={event.message || (event.failure?.reason ?? "")} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}
