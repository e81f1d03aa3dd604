import { oneOf, type Reader, text } from "./search";

export const RANGES = ["1h", "24h", "7d", "30d", "90d"] as const;
export type RangeName = (typeof RANGES)[number];

const HOUR_MS = 3_600_000;
const LENGTHS_MS: Record<RangeName, number> = {
  "1h": HOUR_MS,
  "24h": 24 * HOUR_MS,
  "7d": 168 * HOUR_MS,
  "30d": 720 * HOUR_MS,
  "90d": 2_160 * HOUR_MS,
};

export interface RangeSearch {
  range?: RangeName;
  from?: string;
  to?: string;
}

export interface Range {
  start: Date;
  end: Date;
}

/** Between these every date can be sent to the gateway, and has a year of four digits in each zone. */
const FIRST_MS = Date.UTC(1970, 0);
const LAST_MS = Date.UTC(9999, 0);
const canBe = (time: number) => FIRST_MS <= time && time <= LAST_MS;

const time: Reader<string> = (raw) => {
  const written = text(raw);
  return written !== undefined && canBe(Date.parse(written)) ? written : undefined;
};

/** What a page with a range keeps in its address: a name of one, or two times (ISO 8601). */
export const rangeReaders = { range: oneOf(RANGES), from: time, to: time };

/** The months of a longer one are more than a chart can draw. */
const LONGEST_MS = 40 * 365 * 24 * HOUR_MS;

/** The range from one time to another, if an address says two that make one. */
function timesOf({ from = "", to = "" }: RangeSearch): Range | undefined {
  const [start, end] = [Date.parse(from), Date.parse(to)];
  return canBe(start) && canBe(end) && start < end ? { start: new Date(Math.max(start, end - LONGEST_MS)), end: new Date(end) } : undefined;
}

/**
 * Return the range that an address names, `fallback` if it names none. Of a longer one than 40 years, the end.
 *
 * A named range ends now, at a whole minute, so that the same question is asked and answered once a minute.
 */
export function rangeOf(search: RangeSearch, fallback: RangeName, now: Date = new Date()): Range {
  const times = timesOf(search);
  if (times) return times;
  const minute = Math.ceil(now.getTime() / 60_000) * 60_000;
  return { start: new Date(minute - LENGTHS_MS[search.range ?? fallback]), end: new Date(minute) };
}

/** How an address changes when a range is chosen: by its name, or as two times. */
export const namedRange = (range: RangeName) => ({ range, from: undefined, to: undefined });
export const freeRange = ({ start, end }: Range) => ({ range: undefined, from: start.toISOString(), to: end.toISOString() });

/** The name of the range that an address names; undefined if it says two times. */
export const rangeNameOf = (search: RangeSearch, fallback: RangeName): RangeName | undefined =>
  timesOf(search) ? undefined : (search.range ?? fallback);
