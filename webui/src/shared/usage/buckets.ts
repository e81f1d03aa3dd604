import { UsageGroup } from "@tollkeeper/client/v1/usage_service";
import { fromWall, toWall } from "../format/wall";
import type { Range } from "../url/range";

/** The lengths of time by which usage is summed, the shortest first. */
export const BUCKETS = ["minute", "hour", "day", "week", "month"] as const;
export type Bucket = (typeof BUCKETS)[number];

export const GROUP_OF: Record<Bucket, UsageGroup> = {
  minute: UsageGroup.MINUTE,
  hour: UsageGroup.HOUR,
  day: UsageGroup.DAY,
  week: UsageGroup.WEEK,
  month: UsageGroup.MONTH,
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LENGTH_MS: Record<Bucket, number> = { minute: 60_000, hour: HOUR_MS, day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS };
/** More points than these are slow to draw, and too narrow to see. */
const MOST = 500;
const DATE_LETTERS = "2026-11-28".length;

/** The length of buckets in which a range is easy to read. */
export function bucketOf({ start, end }: Range): Bucket {
  const hours = (end.getTime() - start.getTime()) / HOUR_MS;
  if (hours <= 2) return "minute";
  if (hours <= 72) return "hour";
  if (hours <= 120 * 24) return "day";
  return hours <= 3 * 366 * 24 ? "week" : "month";
}

/** The lengths of buckets of which a range has few enough to draw. */
export const bucketsFor = ({ start, end }: Range): Bucket[] =>
  BUCKETS.filter((it) => it === "month" || (end.getTime() - start.getTime()) / LENGTH_MS[it] <= MOST);

/** Return the beginnings of the buckets of a range in a zone, in order: the gateway leaves those out in which nothing was. */
export function bucketsOf({ start, end }: Range, bucket: Bucket, zone: string): Date[] {
  const found: Date[] = [];
  for (let at = floor(start, bucket, zone); at < end; at = nextOf(at, bucket, zone)) found.push(at);
  return found;
}

/** Return when the bucket ends that begins at `at`. */
export function nextOf(at: Date, bucket: Bucket, zone: string): Date {
  if (bucket === "minute" || bucket === "hour") return floor(new Date(at.getTime() + LENGTH_MS[bucket]), bucket, zone);
  const date = dateOf(at, zone);
  if (bucket === "month") date.setUTCMonth(date.getUTCMonth() + 1);
  else date.setUTCDate(date.getUTCDate() + (bucket === "week" ? 7 : 1));
  return midnight(date, zone) ?? new Date(at.getTime() + LENGTH_MS[bucket]);
}

function floor(time: Date, bucket: Bucket, zone: string): Date {
  // An hour that clocks show twice has two beginnings: minutes and hours are cut from the time itself.
  if (bucket === "minute" || bucket === "hour") {
    const past = Date.parse(`${toWall(time, zone)}Z`) % LENGTH_MS[bucket];
    return new Date(Math.floor(time.getTime() / 1000) * 1000 - past);
  }
  const date = dateOf(time, zone);
  if (bucket === "month") date.setUTCDate(1);
  // Weeks begin on Monday, which is day 1.
  if (bucket === "week") date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  return midnight(date, zone) ?? time;
}

/** The date that a zone's calendar shows, as if it were one of UTC. */
const dateOf = (time: Date, zone: string): Date => new Date(`${toWall(time, zone).slice(0, DATE_LETTERS)}T00:00:00Z`);

const midnight = (date: Date, zone: string): Date | undefined => fromWall(`${date.toISOString().slice(0, DATE_LETTERS)}T00:00:00`, zone);
