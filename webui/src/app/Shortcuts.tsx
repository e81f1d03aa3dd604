import { useDisclosure } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { pages } from "./pages";

const KeysDialog = lazy(() => import("./KeysDialog").then((it) => ({ default: it.KeysDialog })));
const FOLLOWS_MS = 1_200;
const WRITING = "input, textarea, select, [contenteditable]";

const KEYS: readonly (readonly [keys: string, meaning: string])[] = [
  ["Ctrl K", "Go to a page or a thing"],
  ["/", "Search this page"],
  ["n", "New, on the pages of lists"],
  ["j, k", "Next, previous row"],
  ["Enter", "Open the row"],
  ["Esc", "Close"],
  ["?", "These keys"],
];

/** The keys of the whole application, and their list. */
export function Shortcuts({ onPalette }: { onPalette: () => void }) {
  const [opened, { open, close }] = useDisclosure();
  const navigate = useNavigate();
  const wentAt = useRef(0);
  const [wanted, setWanted] = useState(false);
  if (opened && !wanted) setWanted(true);
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if ((event.target as Element).closest?.(WRITING) || document.querySelector("[role=dialog]")) return;
      const goes = event.timeStamp - wentAt.current < FOLLOWS_MS;
      wentAt.current = 0;
      if (goes) {
        const page = pages.find((it) => it.key === event.key);
        if (page) void navigate({ to: page.to });
      } else if (event.key === "g") wentAt.current = event.timeStamp;
      else if (event.key === "?") open();
      else if (event.key === "/") {
        event.preventDefault();
        document.querySelector<HTMLInputElement>("[data-page-search]")?.focus();
      } else if (event.key === "n") {
        event.preventDefault();
        const button = document.querySelector<HTMLElement>("[data-page-new]");
        // What closes the form gives the focus back to it.
        button?.focus();
        button?.click();
      }
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [navigate, onPalette, open]);
  const all = [...KEYS, ...pages.map((it) => [`g ${it.key}`, it.label] as const)];
  return wanted && <Suspense><KeysDialog keys={all} opened={opened} onClose={close} /></Suspense>;
}
