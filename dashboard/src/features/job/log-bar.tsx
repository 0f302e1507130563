import { memo, type RefObject } from "react";
import type { Connection } from "@/api/live";
import { Button } from "@/components/ui";
import { url } from "@/lib/http";
import { useTyped } from "@/lib/typed";

interface Props {
  readonly jobId: string;
  readonly find: RefObject<HTMLInputElement | null>;
  readonly query: string;
  readonly setQuery: (value: string) => void;
  readonly hit: number;
  readonly hits: number;
  readonly step: (by: number) => void;
  readonly connection: Connection;
  readonly following: boolean;
  readonly toggleFollow: () => void;
  readonly wrap: boolean;
  readonly toggleWrap: () => void;
  readonly times: boolean;
  readonly toggleTimes: () => void;
  readonly foldAll: (folded: boolean) => void;
}

const SIGNS: Record<Connection, [tone: string, text: string]> = {
  connecting: ["muted", "○ Connecting"],
  live: ["live", "● Live"],
  reconnecting: ["warn", "○ Reconnecting"],
  ended: ["muted", "✓ Complete"],
};

/** Drawn again only when it changes, not with each line that is scrolled. */
export const LogBar = memo(function LogBar(props: Props) {
  const [tone, sign] = SIGNS[props.connection];
  return (
    <div className="log-bar">
      <Find {...props} />
      <span className="log-space" />
      <span className={`badge tone-${tone}`} role="status">
        {sign}
      </span>
      {props.connection === "ended" ? null : (
        <Button kind="quiet" aria-pressed={props.following} shortcut="follow" onClick={props.toggleFollow}>
          {props.following ? "Following" : "Follow"}
        </Button>
      )}
      <Button kind="quiet" aria-pressed={props.wrap} onClick={props.toggleWrap}>
        Wrap
      </Button>
      <Button kind="quiet" aria-pressed={props.times} onClick={props.toggleTimes}>
        Times
      </Button>
      <Button
        kind="quiet"
        onClick={() => {
          props.foldAll(false);
        }}
      >
        Open all
      </Button>
      <Button
        kind="quiet"
        onClick={() => {
          props.foldAll(true);
        }}
      >
        Close steps
      </Button>
      <a className="button button-quiet" href={url(`/jobs/${props.jobId}/logs/raw`)} download={`${props.jobId}.log`}>
        Download
      </a>
    </div>
  );
});

function Find({ find, query, setQuery, hit, hits, step }: Props) {
  const [text, change] = useTyped(query, setQuery, find);
  return (
    <>
      <label className="log-find">
        <span className="visually-hidden">Search the log</span>
        <input
          ref={find}
          type="search"
          placeholder="Search the log"
          value={text}
          onChange={(event) => {
            change(event.target.value);
          }}
          onKeyDown={(event) => {
            if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
          }}
        />
      </label>
      {query ? (
        <>
          <span className="small" role="status">
            {hits ? `${hit >= 0 ? `${String(hit + 1)} of ` : ""}${hits.toLocaleString("en")} found` : "not found"}
          </span>
          <Button
            kind="quiet"
            aria-label="Previous match"
            onClick={() => {
              step(-1);
            }}
          >
            ↑
          </Button>
          <Button
            kind="quiet"
            aria-label="Next match"
            onClick={() => {
              step(1);
            }}
          >
            ↓
          </Button>
        </>
      ) : null}
    </>
  );
}
