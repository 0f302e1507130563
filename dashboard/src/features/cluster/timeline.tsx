import type { Day } from "@/api/types";
import "./timeline.css";

/** Reports a day as bars; the same numbers as a table for those who do not see them. */
export function Timeline({ days }: { readonly days: readonly Day[] }) {
  const most = Math.max(...days.map((day) => day.count), 1);
  const width = 100 / days.length;
  return (
    <figure className="timeline">
      <svg viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
        {days.map((day, index) => {
          const height = (day.count / most) * 22;
          return <rect key={day.day} x={index * width} y={24 - height} width={Math.max(width - 0.4, 0.3)} height={height} />;
        })}
      </svg>
      <figcaption className="small muted spread"><span>{days[0]?.day}</span><span>at most {most} a day</span><span>{days.at(-1)?.day}</span></figcaption>
      <table className="visually-hidden"><caption>Reports a day</caption><tbody>{days.filter((d) => d.count).map((d) => <tr key={d.day}><th scope="row">{d.day}</th><td>{d.count}</td></tr>)}</tbody></table>
    </figure>
  );
}
