import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { Link } from "react-router";
import { clusters } from "@/api/queries";
import type { ClusterDetail } from "@/api/types";
import { Empty } from "@/components/states";
import { Badge, Untrusted } from "@/components/ui";
import { neighbours, placed } from "./neighbours";

const RADIUS = 120;

/** A small map: this cluster in the middle, what is alike around it. The list beside it says the same. */
export function NeighbourMap({ cluster }: { readonly cluster: ClusterDetail }) {
  const near = useMemo(() => placed(neighbours(cluster)), [cluster]);
  const known = useQuery(clusters()).data;
  const size = (id: string): number =>
    5 + Math.min(16, Math.sqrt(known?.find((one) => one.id === id)?.count ?? 1) * 2.5);
  if (near.length === 0) {
    return (
      <Empty title="Nothing is near">
        <p className="muted">No other cluster shares enough with these reports to be mistaken for them.</p>
      </Empty>
    );
  }
  return (
    <figure className="map">
      <svg viewBox="-150 -150 300 300" aria-hidden="true">
        {[0.3, 0.65, 1].map((ring) => (
          <circle key={ring} className="ring" r={ring * RADIUS} />
        ))}
        {near.map((one) => (
          <g key={one.id} className={one.proposed ? "proposed" : undefined}>
            <line x2={one.x * RADIUS} y2={one.y * RADIUS} />
            <circle className="dot" cx={one.x * RADIUS} cy={one.y * RADIUS} r={size(one.id)} />
            <text x={one.x * RADIUS} y={one.y * RADIUS + 4}>
              {near.indexOf(one) + 1}
            </text>
          </g>
        ))}
        <circle className="middle" r={size(cluster.id)} />
      </svg>
      <ol className="near">
        {near.map((one) => (
          <li key={one.id} className="wrap">
            <Link to={`/c/${one.id}`}>
              <Untrusted text={one.title || one.id} />
            </Link>{" "}
            <Badge tone={one.proposed ? "warn" : "muted"}>
              {Math.round(one.score * 100)} % alike{one.proposed ? ", merge proposed" : ""}
            </Badge>
            {one.why ? <p className="small muted wrap">{one.why}</p> : null}
          </li>
        ))}
      </ol>
    </figure>
  );
}
