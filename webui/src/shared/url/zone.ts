import { useSearch } from "@tanstack/react-router";
import { type Reader, textOf } from "./search";

export const BROWSER_ZONE = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Return whether a browser and the gateway both can know a time zone by this name. */
export function isZone(name: string): boolean {
  // Browsers take "+02:00", too, which is no name.
  if (/^[+-]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const LONGEST = 64;

/** The zone of an address. */
export const zoneName: Reader<string> = (raw) => {
  const name = textOf(LONGEST)(raw);
  return name !== undefined && isZone(name) ? name : undefined;
};

/** The one time zone in which every page shows times and cuts days: the address's, or the browser's. */
export function useZone(): string {
  return useSearch({ strict: false }).zone ?? BROWSER_ZONE;
}
