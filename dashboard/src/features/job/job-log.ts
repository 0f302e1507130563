import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { useStream, type Connection } from "@/api/live";
import type { LogChunk } from "@/api/types";
import { LogStore } from "./log-store";

export interface JobLog {
  readonly store: LogStore;
  readonly version: number;
  readonly connection: Connection;
}

/** The log of a job, followed while the page is open, whichever part of the page is looked at. */
export function useJobLog(jobId: string): JobLog {
  const [store] = useState(() => new LogStore());
  const version = useSyncExternalStore(store.subscribe, () => store.version);
  const onEvent = useCallback(
    (data: string) => {
      store.add(JSON.parse(data) as LogChunk);
    },
    [store],
  );
  const connection = useStream(`/jobs/${jobId}/logs/stream`, { onEvent, names: ["log"] });
  useEffect(() => {
    if (connection === "ended") store.finish();
  }, [connection, store]);
  return { store, version, connection };
}
