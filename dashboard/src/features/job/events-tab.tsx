import type { JobEvent } from "@/api/types";
import { Empty } from "@/components/states";
import { Panel, StatusBadge, Time, Untrusted } from "@/components/ui";
import { PhaseChart } from "./phase-chart";
import type { Stretch } from "./phases";

interface Props {
  readonly events: readonly JobEvent[];
  readonly spent: readonly Stretch[];
}

/** The job's phases over time, and every change of its state. */
export function EventsTab({ events, spent }: Props) {
  if (!events.length) return <Empty title="No events yet" />;
  return (
    <div className="stack">
      <Panel title="Phases">
        <PhaseChart spent={spent} />
      </Panel>
      <div className="scroll-x panel" role="region" aria-label="Events" tabIndex={0}>
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
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
                  <Time at={event.at} />
                </td>
                <td>
                  <StatusBadge status={event.status} />
                </td>
                <td>{event.phase}</td>
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
