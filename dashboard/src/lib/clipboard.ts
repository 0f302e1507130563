/** Whether the text is in the clipboard now. Browsers offer it on https and loopback only, and a person may refuse. */
export async function toClipboard(text: string): Promise<boolean> {
  try {
    await (navigator as { clipboard?: Clipboard }).clipboard?.writeText(text);
    return "clipboard" in navigator;
  } catch {
    return false;
  }
}
