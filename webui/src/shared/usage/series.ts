import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { UsageRow } from "@tollkeeper/client/v1/usage_service";

/** A value of a series at a time. */
export interface Point {
  time: Date;
  series: string;
  value: number;
}

/** Series over time: for each time the value of each series, 0 where there is none. */
export interface Series {
  names: string[];
  rows: { time: Date; values: Record<string, number> }[];
}

/** Sort points into series. Names come in the order of their sums, `last` behind them. */
export function seriesOf(points: readonly Point[], times: readonly Date[], last?: string): Series {
  const sums = new Map<string, number>();
  const byTime = new Map<number, Record<string, number>>(times.map((it) => [it.getTime(), {}]));
  for (const { time, series, value } of points) {
    sums.set(series, (sums.get(series) ?? 0) + value);
    const values = byTime.get(time.getTime()) ?? {};
    values[series] = (values[series] ?? 0) + value;
    byTime.set(time.getTime(), values);
  }
  const names = [...sums.keys()].toSorted((a, b) => Number(a === last) - Number(b === last) || (sums.get(b) ?? 0) - (sums.get(a) ?? 0));
  const rows = [...byTime]
    .toSorted(([a], [b]) => a - b)
    .map(([time, values]) => ({ time: new Date(time), values: Object.fromEntries(names.map((it) => [it, values[it] ?? 0])) }));
  return { names, rows };
}

export const timeOf = (time: Timestamp | undefined): Date => (time ? timestampDate(time) : new Date(0));

/** What rows are made of, as series: each part of a row has a name. */
export type Parts = (row: UsageRow) => readonly (readonly [series: string, value: bigint])[];

export const byOutcome: Parts = (row) => [
  ["answered", row.requests - row.failedRequests],
  ["failed", row.failedRequests],
];
export const byKind: Parts = (row) => [
  ["prompt", row.promptTokens],
  ["completion", row.completionTokens],
];

export const byCost: Parts = (row) => [["cost", row.costNanoDollars]];

/** Return the parts of rows that are grouped by time alone, as series in the order of the parts, whatever their sums. */
export function partsOf(rows: readonly UsageRow[], times: readonly Date[], parts: Parts): Series {
  const points = rows.flatMap((row) => parts(row).map(([series, value]) => ({ time: timeOf(row.startTime), series, value: Number(value) })));
  return { ...seriesOf(points, times), names: rows.slice(0, 1).flatMap((row) => parts(row).map(([name]) => name)) };
}
