import { NativeSelect, SimpleGrid, Switch } from "@mantine/core";
import type { Change } from "../../../shared/url/search";
import { type Bucket, BUCKETS, bucketsFor } from "../../../shared/usage/buckets";
import { GROUP_NAMES, GROUPS, type GroupName } from "../groups";
import { MEASURE_NAMES, MEASURES, type MeasureName } from "../measures";
import { type Question, TOPS } from "../question";
import type { UsageSearch } from "../search";

interface Props {
  question: Question;
  onChange: (change: Change<UsageSearch>) => void;
}

/** What is measured, by what it is grouped, and how long the intervals are. */
export function Controls({ question, onChange }: Props) {
  const { range, group, bucket, refusedBucket, measure, top, compare } = question;
  const possible = bucketsFor(range);
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="sm" style={{ alignItems: "end" }}>
      <NativeSelect
        label="Measure"
        value={measure}
        data={MEASURE_NAMES.map((it) => ({ value: it, label: MEASURES[it].label }))}
        onChange={(event) => onChange({ measure: event.currentTarget.value as MeasureName })}
      />
      <NativeSelect
        label="Group by"
        value={group ?? ""}
        data={[{ value: "", label: "Time alone" }, ...GROUP_NAMES.map((it) => ({ value: it, label: GROUPS[it].label }))]}
        onChange={(event) => onChange({ group: (event.currentTarget.value || undefined) as GroupName | undefined })}
      />
      <NativeSelect
        label="Interval"
        description={refusedBucket && `The range has too many ${refusedBucket}s`}
        value={bucket}
        // A range of months has too many minutes to draw.
        data={BUCKETS.map((it) => ({ value: it, label: `${it[0]?.toUpperCase()}${it.slice(1)}`, disabled: !possible.includes(it) }))}
        onChange={(event) => onChange({ interval: event.currentTarget.value as Bucket })}
      />
      <NativeSelect
        label="Largest"
        disabled={group === undefined}
        value={String(top)}
        data={TOPS.map((it) => ({ value: String(it), label: `${it} and the rest` }))}
        onChange={(event) => onChange({ top: Number(event.currentTarget.value) })}
      />
      <Switch label="Compare with before" mb={8} checked={compare} onChange={(event) => onChange({ compare: event.currentTarget.checked || undefined })} />
    </SimpleGrid>
  );
}
