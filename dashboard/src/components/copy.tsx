import { useState } from "react";
import { toClipboard } from "@/lib/clipboard";
import { toast } from "./toast";
import { Button } from "./ui";

/** A value to take elsewhere, with a button that copies it. */
export function Copyable({ value, label }: { readonly value: string; readonly label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    if (!(await toClipboard(value))) {
      toast("The browser does not let this page copy; select the text and copy it by hand.");
      return;
    }
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
