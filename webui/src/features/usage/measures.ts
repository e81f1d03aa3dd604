import { UsageOrder, type UsagePercentiles, type UsageRow, type UsageSums } from "@tollkeeper/client/v1/usage_service";
import { formatCount, formatDollars, formatMicroseconds, formatShort } from "../../shared/format/numbers";

interface Measured {
  label: string;
  of: (row: UsageRow) => bigint;
  /** The same of the time before; times have none. */
  ofSums?: (sums: UsageSums) => bigint;
  /** By what the gateway finds the largest groups. */
  order: UsageOrder;
  format: (value: number) => string;
  tick: (value: number) => string;
}

const counted = (label: string, of: (it: UsageSums | UsageRow) => bigint, order = UsageOrder.REQUESTS): Measured => ({
  label,
  of,
  ofSums: of,
  order,
  format: formatCount,
  tick: formatShort,
});

const timed = (label: string, of: (row: UsageRow) => UsagePercentiles | undefined, which: "p50" | "p95" | "p99"): Measured => ({
  label,
  of: (row) => of(row)?.[`${which}Microseconds`] ?? 0n,
  order: UsageOrder.REQUESTS,
  // No time is that short: no call of the group had one.
  format: (value) => (value === 0 ? "–" : formatMicroseconds(value)),
  tick: formatMicroseconds,
});

const asTime = (milliseconds: number) => formatMicroseconds(milliseconds * 1000);

/** What can be measured of calls, by the name that addresses have for it. */
export const MEASURES = {
  requests: counted("Requests", (it) => it.requests),
  failed: counted("Failed requests", (it) => it.failedRequests, UsageOrder.FAILED_REQUESTS),
  tokens: counted("Tokens", (it) => it.promptTokens + it.completionTokens, UsageOrder.TOKENS),
  prompt: counted("Prompt tokens", (it) => it.promptTokens, UsageOrder.PROMPT_TOKENS),
  completion: counted("Completion tokens", (it) => it.completionTokens, UsageOrder.COMPLETION_TOKENS),
  cached: counted("Cached tokens", (it) => it.cachedTokens, UsageOrder.PROMPT_TOKENS),
  reasoning: counted("Reasoning tokens", (it) => it.reasoningTokens, UsageOrder.COMPLETION_TOKENS),
  audio: { ...counted("Audio", (it) => it.audioMilliseconds), format: asTime, tick: asTime },
  images: counted("Images", (it) => it.images),
  characters: counted("Characters spoken", (it) => it.characters),
  pages: counted("Pages read", (it) => it.pages),
  cost: { ...counted("Cost", (it) => it.costNanoDollars, UsageOrder.COST), format: formatDollars, tick: formatDollars },
  duration_p50: timed("Duration, p50", (it) => it.duration, "p50"),
  duration_p95: timed("Duration, p95", (it) => it.duration, "p95"),
  duration_p99: timed("Duration, p99", (it) => it.duration, "p99"),
  first_byte_p50: timed("First byte, p50", (it) => it.firstByte, "p50"),
  first_byte_p95: timed("First byte, p95", (it) => it.firstByte, "p95"),
  first_byte_p99: timed("First byte, p99", (it) => it.firstByte, "p99"),
} satisfies Record<string, Measured>;

export type MeasureName = keyof typeof MEASURES;
export const MEASURE_NAMES = Object.keys(MEASURES) as MeasureName[];

export const measureOf = (name: MeasureName): Measured => MEASURES[name];

/** Return whether values of a measure can stand on one another: times can't. */
export const isSum = (measure: Measured): boolean => measure.ofSums !== undefined;
