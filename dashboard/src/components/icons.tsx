const PATHS: Record<string, string> = {
  search: "M10.5 17a6.5 6.5 0 100-13 6.5 6.5 0 000 13zm4.8-1.7L20 20",
  inbox: "M3 13h5l1.5 2.5h5L16 13h5M3 13l3-8h12l3 8v6H3z",
  jobs: "M5 4l14 8-14 8z",
  dead: "M12 8v5m0 3v.01M12 3l9.5 17h-19z",
  health: "M3 12h4l2-6 4 12 3-9 1.5 3H21",
  sources: "M12 20v-9m0 0a3 3 0 100-6 3 3 0 000 6zM5.5 5.5a9 9 0 000 9m13-9a9 9 0 010 9",
  settings: "M4 7h10m4 0h2M4 17h2m4 0h10M14 4.5v5M10 14.5v5",
};

export function Icon({ name }: { readonly name: string }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name] ?? ""}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.8"
        strokeLinejoin="round"
        strokeLinecap="round"
      />
    </svg>
  );
}

const SOURCES: Record<string, [letters: string, name: string]> = {
  sentry: ["Se", "Sentry"],
  github: ["Gh", "GitHub"],
  manual: ["✎", "By hand"],
  reddit: ["Re", "Reddit"],
  posthog: ["Ph", "PostHog"],
  datadog: ["Dd", "Datadog"],
  splunk: ["Sp", "Splunk"],
};

export function sourceName(source: string): string {
  return SOURCES[source]?.[1] ?? source;
}

/** Where reports came from, as small tiles with the names for those who do not see them. */
export function SourceTiles({ sources }: { readonly sources: readonly string[] }) {
  return (
    <span className="tiles">
      {sources.map((source) => (
        <span key={source} className={`tile tile-${source}`} title={sourceName(source)}>
          <span aria-hidden="true">{SOURCES[source]?.[0] ?? source.slice(0, 2)}</span>
          <span className="visually-hidden">{sourceName(source)}</span>
        </span>
      ))}
    </span>
  );
}
