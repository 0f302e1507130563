import { useQuery } from "@tanstack/react-query";
import { clusters } from "@/api/queries";
import { Empty, Loaded } from "@/components/states";
import { StatusBadge, Time } from "@/components/ui";

export function InboxPage() {
  const query = useQuery(clusters());
  return (
    <>
      <header className="page-head"><div><h1>Inbox</h1><p className="muted">What users report, most pressing first.</p></div></header>
      <Loaded query={query} what="clusters" rows={8}>
        {(list) => list.length === 0 ? <Empty title="No reports yet" /> : (
          <ul className="stack">{list.map((c) => <li key={c.id} className="panel"><StatusBadge status={c.status} /> {c.title} <Time at={c.last_seen} /></li>)}</ul>
        )}
      </Loaded>
    </>
  );
}
