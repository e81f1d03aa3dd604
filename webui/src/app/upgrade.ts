import { reach } from "../shared/api/reach";

const KEY = "tollkeeper-reloaded-at";
const PAUSE_MS = 10_000;
let asked: Promise<boolean> | undefined;

/** Load the page anew when a file of an earlier build is gone, at most once in ten seconds. */
export function surviveUpgrade(): void {
  window.addEventListener("vite:preloadError", () => void reloads());
}

/** Load the page anew, unless that was just done or the gateway is lost, and return whether it is done. */
export function reloads(): Promise<boolean> {
  asked ??= reload().finally(() => {
    asked = undefined;
  });
  return asked;
}

async function reload(): Promise<boolean> {
  const last = Number(sessionStorage.getItem(KEY) ?? 0);
  if (Date.now() - last < PAUSE_MS) return false;
  // A gateway that is lost has no other build: its page would be gone, too.
  const answer = await fetch("/admin/session", { cache: "no-store" }).catch(() => undefined);
  if (answer === undefined) {
    reach.lost();
    return false;
  }
  sessionStorage.setItem(KEY, String(Date.now()));
  window.location.reload();
  return true;
}
