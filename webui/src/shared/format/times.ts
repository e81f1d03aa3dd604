import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
    formats.set(key, found);
  }
  return found;
}

export const toDate = (time: Timestamp | Date): Date => (time instanceof Date ? time : timestampDate(time));

/** "28 Nov 2026, 14:05" in a time zone. */
export const formatTime = (time: Timestamp | Date, zone: string): string =>
  formatOf(zone, { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(toDate(time));

/** "14:05:09.123" in a time zone. */
export const formatClock = (time: Timestamp | Date, zone: string): string =>
  formatOf(zone, { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 }).format(toDate(time));

const STEPS: readonly [seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [86_400 * 365, "year"],
  [86_400 * 30, "month"],
  [86_400, "day"],
  [3_600, "hour"],
  [60, "minute"],
  [1, "second"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

/** "3 hours ago", "in 2 days". */
export function formatAgo(time: Timestamp | Date, now: Date = new Date()): string {
  const seconds = (toDate(time).getTime() - now.getTime()) / 1000;
  const [size, unit] = STEPS.find(([it]) => Math.abs(seconds) >= it) ?? [1, "second"];
  return relative.format(Math.trunc(seconds / size), unit);
}
