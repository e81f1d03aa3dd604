import type { UsageRow } from "@tollkeeper/client/v1/usage_service";
import { bucketsOf } from "../../../shared/usage/buckets";
import { type Point, seriesOf, timeOf } from "../../../shared/usage/series";
import { TimeChart } from "../../../shared/usage/TimeChart";
import { groupOf, namesFor, REST } from "../groups";
import { isSum, measureOf } from "../measures";
import type { Question } from "../question";

const BEFORE = "the time before";

function pointsOf(rows: readonly UsageRow[], { group, measure: name, compare }: Question): Point[] {
  const measure = measureOf(name);
  const nameOf = group === undefined ? () => measure.label : namesFor(rows, groupOf(group));
  return rows.flatMap((row) => {
    const time = timeOf(row.startTime);
    const point = { time, series: nameOf(row), value: Number(measure.of(row)) };
    if (group !== undefined || !compare || !measure.ofSums) return [point];
    return [point, { time, series: BEFORE, value: row.previous ? Number(measure.ofSums(row.previous)) : 0 }];
  });
}

/** What is measured over time, by group; as a chart and as a table. */
export function OverTime({ rows, question }: { rows: readonly UsageRow[]; question: Question }) {
  const { range, bucket, zone, group, measure: name } = question;
  const measure = measureOf(name);
  return (
    <TimeChart
      label={`${measure.label}${group === undefined ? "" : ` by ${groupOf(group).one}`}, each ${bucket}`}
      series={seriesOf(pointsOf(rows, question), bucketsOf(range, bucket, zone), group === undefined ? BEFORE : REST)}
      bucket={bucket}
      zone={zone}
      format={measure.format}
      tick={measure.tick}
      form={!isSum(measure) ? "lines" : group === undefined && question.compare ? "beside" : "stacked"}
    />
  );
}
