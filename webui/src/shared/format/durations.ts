import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { formatMicroseconds } from "./numbers";

const UNITS_MS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000 };
const WRITTEN = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?$/;

/** What people write where a duration is asked for. */
export const DURATION_HELP = "such as 500 ms, 30 s, 5 min or 1 h";

export const toMicroseconds = (duration: Duration): bigint => duration.seconds * 1_000_000n + BigInt(Math.trunc(duration.nanos / 1_000));

/** "12 ms", "3.4 s". */
export const formatDuration = (duration: Duration): string => formatMicroseconds(toMicroseconds(duration));

/** Return what a text such as "30 s" says; undefined if it is empty or says no duration. A bare number is seconds. */
export function readDuration(text: string): Duration | undefined {
  const [, amount, unit] = WRITTEN.exec(text.trim()) ?? [];
  if (amount === undefined) return undefined;
  const ms = Number(amount) * (UNITS_MS[unit ?? "s"] ?? 0);
  const seconds = Math.floor(ms / 1_000);
  return create(DurationSchema, { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1_000) * 1_000_000) });
}

/** Write a duration so that `readDuration` reads the same; an unset one is an empty text. */
export function writeDuration(duration: Duration | undefined): string {
  if (!duration) return "";
  const ms = Number(duration.seconds) * 1_000 + duration.nanos / 1_000_000;
  for (const [unit, size] of [["h", 3_600_000], ["min", 60_000], ["s", 1_000]] as const)
    if (ms >= size && ms % size === 0) return `${ms / size} ${unit}`;
  return ms >= 1_000 ? `${ms / 1_000} s` : `${ms} ms`;
}

/** Return what is wrong with a text where a duration, or nothing, is asked for. */
export const durationProblem = (text: string): string | undefined =>
  text.trim() === "" || readDuration(text) ? undefined : `is no duration; write one ${DURATION_HELP}`;
