import type { ButtonHTMLAttributes, ReactNode } from "react";
import { Dialog as RadixDialog, Tabs as RadixTabs } from "radix-ui";
import { useKeyLabel, type ActionId } from "@/lib/keymap";
import { absolute, ago } from "@/lib/time";
import { reveal, safeHref } from "@/lib/untrusted";
import { toast } from "./toast";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: "primary" | "plain" | "danger" | "quiet";
  /** Why the act is not possible now. The button stays focusable and says so. */
  readonly blocked?: string | undefined;
  readonly busy?: boolean;
  /** What a single key does as well; its key is shown. */
  readonly shortcut?: ActionId;
}

export function Button({ kind = "plain", blocked, busy = false, shortcut, children, onClick, ...rest }: ButtonProps) {
  const off = Boolean(blocked) || busy;
  const key = useKeyLabel(shortcut);
  return (
    <button
      type="button"
      className={`button button-${kind}`}
      aria-disabled={off || undefined}
      aria-busy={busy || undefined}
      aria-keyshortcuts={key || undefined}
      title={blocked}
      onClick={
        off
          ? (event) => {
              event.preventDefault();
              if (blocked) toast(blocked); // a title is seen by neither touch nor keyboard
            }
          : onClick
      }
      {...rest}
    >
      {busy ? <span className="spinner" aria-hidden="true" /> : null}
      {children}
      {key && !blocked ? <kbd aria-hidden="true">{key}</kbd> : null}
      {busy ? <span className="visually-hidden"> (working)</span> : null}
      {blocked ? <span className="visually-hidden"> (not possible: {blocked})</span> : null}
    </button>
  );
}

/** A key and what it does; nothing where there is no such key. */
export function KeyHint({ id, what }: { readonly id: ActionId; readonly what: string }) {
  const key = useKeyLabel(id);
  return key ? (
    <span className="nowrap">
      <kbd>{key}</kbd> {what}
    </span>
  ) : null;
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

interface BadgeProps {
  readonly tone?: string;
  readonly children: ReactNode;
  readonly title?: string;
}

export function Badge({ tone = "muted", children, title }: BadgeProps) {
  return (
    <span className={`badge tone-${tone}`} title={title}>
      {children}
    </span>
  );
}

const TRUST: Record<string, [tone: string, label: string, why: string]> = {
  public: ["warn", "anyone", "Anyone could have written these reports. Read the plan before you approve it."],
  authenticated: ["muted", "signed-in users", "Written by signed-in users."],
  staff: ["good", "our team", "Written by your own team."],
};

export function TrustBadge({ trust }: { readonly trust: string }) {
  const [tone, label, why] = TRUST[trust] ?? ["muted", trust, ""];
  return (
    <Badge tone={tone} title={why}>
      from {label}
    </Badge>
  );
}

export function Time({ at }: { readonly at: string | null }) {
  if (!at) return <span className="muted">unknown</span>;
  return (
    <time dateTime={at} title={absolute(at)}>
      {ago(at)}
    </time>
  );
}

interface PanelProps {
  readonly title: string;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
  readonly id?: string;
}

export function Panel({ title, actions, children, id }: PanelProps) {
  return (
    <section className="panel" aria-label={title} id={id}>
      <header className="panel-head">
        <h2>{title}</h2>
        {actions ? <div className="row">{actions}</div> : null}
      </header>
      {children}
    </section>
  );
}

interface PageHeadProps {
  readonly title: ReactNode;
  readonly trail?: ReactNode;
  readonly children?: ReactNode;
  readonly actions?: ReactNode;
}

export function PageHead({ title, trail, children, actions }: PageHeadProps) {
  return (
    <header className="page-head">
      <div className="page-title">
        {trail ? <p className="small muted trail">{trail}</p> : null}
        <h1 className="wrap">{title}</h1>
        {children}
      </div>
      {actions ? <div className="row page-actions">{actions}</div> : null}
    </header>
  );
}

interface DialogProps {
  readonly title: string;
  readonly open: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly description?: string;
  /** Escape does not close it now: something in it listens for keys. */
  readonly heldOpen?: boolean;
  /** A palette shows neither its title nor a button to close it. */
  readonly kind?: "plain" | "palette";
}

/** Radix' own overlay locks the scroll through an inline style sheet, which our content policy refuses; ours is a div. */
export function Dialog({ title, open, onClose, children, description, heldOpen = false, kind = "plain" }: DialogProps) {
  return (
    <RadixDialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next) onClose();
      }}
    >
      <RadixDialog.Portal>
        <div className="overlay" aria-hidden="true" />
        <RadixDialog.Content
          className={`dialog dialog-${kind}`}
          onEscapeKeyDown={(event) => {
            if (heldOpen) event.preventDefault();
          }}
          {...(description ? {} : { "aria-describedby": undefined })}
        >
          <RadixDialog.Title asChild>
            <h2 className={kind === "palette" ? "visually-hidden" : undefined}>
              <Untrusted text={title} />
            </h2>
          </RadixDialog.Title>
          {description ? <RadixDialog.Description className="muted wrap">{description}</RadixDialog.Description> : null}
          {children}
          {kind === "palette" ? null : (
            <RadixDialog.Close className="button button-quiet dialog-close" aria-label="Close">
              ✕
            </RadixDialog.Close>
          )}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

interface TabsProps {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly tabs: readonly { value: string; label: ReactNode; content: ReactNode }[];
}

export function Tabs({ label, value, onChange, tabs }: TabsProps) {
  return (
    <RadixTabs.Root value={value} onValueChange={onChange} activationMode="manual">
      <RadixTabs.List className="tabs" aria-label={label}>
        {tabs.map((tab) => (
          <RadixTabs.Trigger key={tab.value} value={tab.value}>
            {tab.label}
          </RadixTabs.Trigger>
        ))}
      </RadixTabs.List>
      {tabs.map((tab) => (
        <RadixTabs.Content key={tab.value} value={tab.value} tabIndex={-1}>
          {tab.content}
        </RadixTabs.Content>
      ))}
    </RadixTabs.Root>
  );
}

/** Text that strangers wrote: as text, with characters that hide or reorder it shown by their code points. */
export function Untrusted({ text }: { readonly text: string }) {
  return reveal(text).map((piece, index) =>
    piece.hidden ? (
      <span key={index} className="hidden-char" title="A character that hides or reorders text">
        {piece.text}
      </span>
    ) : (
      piece.text
    ),
  );
}

interface OutLinkProps {
  readonly href: string | null | undefined;
  readonly children: ReactNode;
  readonly className?: string;
}

/** A link to an address that came with data; plain text when the address is not http(s). */
export function OutLink({ href, children, className }: OutLinkProps) {
  const safe = safeHref(href);
  if (!safe) return <span className="muted">{children} (not a web address)</span>;
  return (
    <a href={safe} className={className} rel="noreferrer noopener">
      {children}
    </a>
  );
}

/** `code` parts of a text between backticks. */
export function Marked({ text }: { readonly text: string }) {
  return text
    .split(/(`[^`]+`)/)
    .map((part, index) =>
      part.length > 2 && part.startsWith("`") && part.endsWith("`") ? (
        <code key={index}>{part.slice(1, -1)}</code>
      ) : (
        <Untrusted key={index} text={part} />
      ),
    );
}
