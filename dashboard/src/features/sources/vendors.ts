import type { FilterName, SourceName } from "@/api/types";

export interface Filter {
  readonly name: FilterName;
  readonly label: string;
  readonly hint: string;
  /** Where it is set; the field in the body has the filter's name. */
  readonly path: string;
}

export interface Vendor {
  readonly name: SourceName;
  readonly intro: string;
  /** Path of the webhook; null for a source that is read, not pushed. */
  readonly hook: string | null;
  readonly secret: { readonly label: string; readonly required: boolean } | null;
  readonly steps: readonly string[];
  readonly filter: readonly Filter[];
}

/** How each vendor is pointed here. Names of pages and fields as the vendors show them; sources stand in docs/how-to. */
export const VENDORS: readonly Vendor[] = [
  {
    name: "sentry",
    intro: "Errors with their stack traces, as they happen.",
    hook: "/ingest/sentry",
    secret: { label: "Client Secret", required: false },
    steps: [
      "In Sentry open Settings, Developer Settings or Custom Integrations, Create New Integration, Internal Integration.",
      "Paste the address above as Webhook URL and switch on Alert Rule Action.",
      "Under Permissions give Issue & Event: Read. Under Webhooks tick issue and error. Save.",
      "Copy the Client Secret of the integration and set it here: deliveries are then checked by their signature.",
      "In an alert rule choose the action “Send a notification via an integration” with this integration.",
    ],
    filter: [
      { name: "environments", label: "Environments", hint: "empty: all", path: "/config/sentry/environments" },
      { name: "levels", label: "Levels", hint: "such as error, fatal; empty: all", path: "/config/sentry/levels" },
    ],
  },
  {
    name: "github",
    intro: "Issues and their comments.",
    hook: "/ingest/github/webhook",
    secret: { label: "Webhook secret", required: true },
    steps: [
      "Choose a secret and set it here first: without one nothing is accepted.",
      "In the repository or organisation open Settings, Webhooks, Add webhook.",
      "Paste the address above as Payload URL, choose the content type application/json, and enter the same secret.",
      "Choose “Let me select individual events”: Issues and Issue comments. Add webhook.",
      "GitHub sends a ping at once; it is answered with “ping received”.",
    ],
    filter: [
      {
        name: "repos",
        label: "Repositories",
        hint: "owner/name, also polled; empty: all webhooks",
        path: "/config/github",
      },
    ],
  },
  {
    name: "datadog",
    intro: "Monitors that alert.",
    hook: "/ingest/datadog/webhook",
    secret: { label: "Secret of the header X-Soulcaster-Secret", required: false },
    steps: [
      "In Datadog open Integrations, Webhooks, New.",
      "Paste the address above as URL. Leave the default payload or add $EVENT_TITLE, $TEXT_ONLY_MSG, $ALERT_ID, $TAGS.",
      'Under Custom Headers enter {"X-Soulcaster-Secret": "<the secret set here>"}.',
      "Mention the webhook in a monitor's message: @webhook-<its name>.",
    ],
    filter: [
      {
        name: "monitors",
        label: "Monitors",
        hint: "ids, names or tags; * for all, empty: none",
        path: "/config/datadog/monitors",
      },
    ],
  },
  {
    name: "splunk",
    intro: "Saved searches that alert.",
    hook: "/ingest/splunk/webhook",
    secret: { label: "Token", required: true },
    steps: [
      "Set a token here first: Splunk's webhook cannot sign, so the token in the address is the proof.",
      "Let Splunk send there: Settings, Server settings, Webhook allow list, or alert_actions.conf; see docs/how-to.",
      "In Splunk open the saved search, Edit Alert, Trigger: For each result, Add Actions, Webhook.",
      "Paste the address above with &token=<the token set here> at its end as URL. Save.",
    ],
    filter: [
      {
        name: "searches",
        label: "Searches",
        hint: "names, one a line; * for all, empty: none",
        path: "/config/splunk/searches",
      },
    ],
  },
  {
    name: "posthog",
    intro: "Exceptions and events of your product.",
    hook: "/ingest/posthog/webhook",
    secret: { label: "Secret of the header X-Soulcaster-Secret", required: false },
    steps: [
      "In PostHog open Data pipelines, Destinations, New destination, HTTP Webhook.",
      "Paste the address above as Webhook URL, method POST.",
      'Under Headers add X-Soulcaster-Secret with the secret set here. Leave the JSON body {"event": "{event}"}.',
      "Match the event $exception, or the events you choose below. Create & enable.",
    ],
    filter: [
      { name: "event_types", label: "Events", hint: "such as $exception; empty: all", path: "/config/posthog/events" },
    ],
  },
  {
    name: "reddit",
    intro: "Posts of subreddits, read every few minutes.",
    hook: null,
    secret: null,
    steps: [
      "Name the subreddits below; the collector reads their new posts.",
      "Reddit refuses readers without an app sooner or later: set REDDIT_CLIENT_ID and REDDIT_CLIENT_SECRET for the collector.",
    ],
    filter: [
      { name: "subreddits", label: "Subreddits", hint: "one a line, without r/", path: "/config/reddit/subreddits" },
    ],
  },
  {
    name: "manual",
    intro: "What somebody tells you, typed in or sent by a script.",
    hook: "/ingest/manual",
    secret: null,
    steps: [
      "Type it in below, or send it from a terminal: soulcaster ingest -",
      'A script posts {"text": "...", "title": "..."} with an API key of the role ingest; make one in Settings.',
    ],
    filter: [],
  },
];
