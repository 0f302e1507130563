import { useEffect, useState } from "react";
import { useNavigate } from "react-router";
import { prefix, useKeys } from "@/lib/keys";
import { KeyList } from "./key-list";
import { Palette, PALETTE, usePaletteKey } from "./palette";
import { PAGES } from "./pages";

/** What keys do on every page, the list of them, and the palette. */
export function Shortcuts() {
  const [shown, setShown] = useState<"keys" | "palette" | null>(null);
  const navigate = useNavigate();
  const go = PAGES.map(({ path, action }) => [action, () => void navigate(path)] as const);
  useKeys(
    {
      ...Object.fromEntries(go),
      go: prefix,
      search: () => void navigate("/find"),
      keys: () => {
        setShown("keys");
      },
    },
    true,
  );
  const palette = (): void => {
    setShown("palette");
  };
  usePaletteKey(palette);
  useEffect(() => {
    window.addEventListener(PALETTE, palette);
    return () => {
      window.removeEventListener(PALETTE, palette);
    };
  }, []);
  const close = (): void => {
    setShown(null);
  };
  if (shown === "keys") return <KeyList close={close} />;
  return shown === "palette" ? <Palette close={close} /> : null;
}
