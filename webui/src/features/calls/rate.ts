import type { UsageEvent } from "@tollkeeper/client/v1/usage_service";

/** Calls that arrived in each of the latest seconds, the oldest second first. */
export interface Rate {
  /** The second of the last count, since 1970. */
  second: number;
  calls: readonly number[];
  failures: readonly number[];
}

export const SECONDS = 120;
const SECOND_MS = 1000;

export const noRate = (now: number): Rate => ({
  second: Math.floor(now / SECOND_MS),
  calls: Array.from({ length: SECONDS }, () => 0),
  failures: Array.from({ length: SECONDS }, () => 0),
});

/** Return the counts at a time, with calls that arrive then. Seconds in which none came count 0. */
export function counted(rate: Rate, events: readonly UsageEvent[], now: number): Rate {
  const second = Math.max(rate.second, Math.floor(now / SECOND_MS));
  const passed = Math.min(second - rate.second, SECONDS);
  if (passed === 0 && events.length === 0) return rate;
  const failed = events.filter((it) => it.status >= 400).length;
  const add = (counts: readonly number[], count: number) => {
    const next = [...counts.slice(passed), ...Array.from({ length: passed }, () => 0)];
    next[SECONDS - 1] = (next[SECONDS - 1] ?? 0) + count;
    return next;
  };
  return { second, calls: add(rate.calls, events.length), failures: add(rate.failures, failed) };
}
