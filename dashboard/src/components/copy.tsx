import { useState } from "react";
import { Button } from "./ui";

/** A value to take elsewhere, with a button that copies it. */
export function Copyable({ value, label }: { readonly value: string; readonly label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(value);
    setCopied(true);
    window.setTimeout(() => {
      setCopied(false);
    }, 2000);
  };
  return (
    <span className="copyable">
      <code className="wrap">{value}</code>
      <Button
        kind="quiet"
        aria-label={`Copy ${label}`}
        onClick={() => {
          void copy();
        }}
      >
        {copied ? "Copied ✓" : "Copy"}
      </Button>
      <span className="visually-hidden" role="status">
        {copied ? `${label} copied` : ""}
      </span>
    </span>
  );
}
