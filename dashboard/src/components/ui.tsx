import { Dialog as RadixDialog } from "radix-ui";
import type { ButtonHTMLAttributes, ReactNode } from "react";
import { absolute, ago } from "@/lib/time";

type Kind = "primary" | "plain" | "danger" | "quiet";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: Kind;
  /** Why the act is not possible now. The button stays focusable and says so. */
  readonly blocked?: string | undefined;
  readonly busy?: boolean;
}

export function Button({ kind = "plain", blocked, busy = false, children, onClick, ...rest }: ButtonProps) {
  const off = Boolean(blocked) || busy;
  return (
    <button
      type="button"
      className={`button button-${kind}`}
      aria-disabled={off || undefined}
      aria-busy={busy || undefined}
      title={blocked}
      onClick={off ? (event) => { event.preventDefault(); } : onClick}
      {...rest}
    >
      {children}
      {busy ? <span className="visually-hidden"> (working)</span> : null}
    </button>
  );
}

const TONES: Record<string, [tone: string, icon: string, label: string]> = {
  new: ["accent", "●", "New"],
  fixing: ["live", "◐", "Being fixed"],
  pr_opened: ["good", "✓", "Pull request open"],
  resolved: ["good", "✓", "Resolved"],
  dismissed: ["muted", "–", "Dismissed"],
  pending: ["muted", "○", "Waiting"],
  running: ["live", "◐", "Running"],
  success: ["good", "✓", "Succeeded"],
  failed: ["bad", "✕", "Failed"],
  cancelled: ["muted", "–", "Cancelled"],
  needs_review: ["warn", "!", "Needs review"],
};

/** Status as icon and word, never colour alone. */
export function StatusBadge({ status }: { readonly status: string }) {
  const [tone, icon, label] = TONES[status] ?? ["muted", "·", status];
  return (
    <span className={`badge tone-${tone}`}>
      <span aria-hidden="true">{icon}</span> {label}
    </span>
  );
}

export function Badge({ tone = "muted", children, title }: { readonly tone?: string; readonly children: ReactNode; readonly title?: string }) {
  return <span className={`badge tone-${tone}`} title={title}>{children}</span>;
}

const TRUST: Record<string, [tone: string, label: string, why: string]> = {
  public: ["warn", "anyone", "Anyone could have written these reports. Read the plan before you approve it."],
  authenticated: ["accent", "signed-in users", "Written by signed-in users."],
  staff: ["good", "our team", "Written by your own team."],
};

export function TrustBadge({ trust }: { readonly trust: string }) {
  const [tone, label, why] = TRUST[trust] ?? ["muted", trust, ""];
  return <Badge tone={tone} title={why}>from {label}</Badge>;
}

export function Time({ at }: { readonly at: string | null }) {
  return at ? <time dateTime={at} title={absolute(at)}>{ago(at)}</time> : <span className="muted">unknown</span>;
}

interface PanelProps { readonly title: string; readonly actions?: ReactNode; readonly children: ReactNode; readonly id?: string }

export function Panel({ title, actions, children, id }: PanelProps) {
  return (
    <section className="panel" aria-label={title} id={id}>
      <header className="panel-head"><h2>{title}</h2>{actions ? <div className="row">{actions}</div> : null}</header>
      {children}
    </section>
  );
}

interface DialogProps {
  readonly title: string; readonly open: boolean; readonly onClose: () => void; readonly children: ReactNode; readonly description?: string;
}

export function Dialog({ title, open, onClose, children, description }: DialogProps) {
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => { if (!next) onClose(); }}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="overlay" />
        <RadixDialog.Content className="dialog" {...(description ? {} : { "aria-describedby": undefined })}>
          <RadixDialog.Title asChild><h2>{title}</h2></RadixDialog.Title>
          {description ? <RadixDialog.Description className="muted">{description}</RadixDialog.Description> : null}
          {children}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}
