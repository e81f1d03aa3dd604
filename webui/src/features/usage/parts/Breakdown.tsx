import { Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import type { UsageRow } from "@tollkeeper/client/v1/usage_service";
import { changeOf, formatShare } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { AnchorLink } from "../../../shared/ui/links";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { timeOf } from "../../../shared/usage/series";
import { groupOf, namesFor } from "../groups";
import { type MeasureName, measureOf } from "../measures";
import { callsOf, type Question } from "../question";

interface Props {
  rows: readonly UsageRow[] | undefined;
  totals: UsageRow | undefined;
  question: Question;
  fetching: boolean;
}

const ALWAYS: readonly MeasureName[] = ["requests", "failed", "prompt", "completion", "duration_p95"];

/** The sums of each group, each a way to the calls that it is made of. */
export function Breakdown({ rows, totals, question, fetching }: Props) {
  const navigate = useNavigate();
  const { group, measure: name, compare } = question;
  const measure = measureOf(name);
  const nameOf = group === undefined ? undefined : namesFor(rows ?? [], groupOf(group));
  const { ofSums } = measure;
  const all = Number(totals ? measure.of(totals) : 0n);
  const figure = (it: MeasureName): Column<UsageRow> => ({
    key: it,
    title: measureOf(it).label,
    align: "right",
    wide: it !== "requests" && it !== name,
    render: (row) => measureOf(it).format(Number(measureOf(it).of(row))),
  });
  const columns: Column<UsageRow>[] = [
    {
      key: "group",
      title: group === undefined ? "From" : groupOf(group).label,
      render: (row) => {
        const search = callsOf(row, question);
        const shown = nameOf ? nameOf(row) : <Time time={timeOf(row.startTime)} />;
        return search ? <AnchorLink to="/calls" search={search}>{shown}</AnchorLink> : <Text span size="sm" c="dimmed">{shown}</Text>;
      },
    },
    figure(name),
    ...(ofSums && group !== undefined
      ? [{ key: "share", title: "Share", align: "right" as const, render: (row: UsageRow) => (all === 0 ? "–" : formatShare(Number(measure.of(row)) / all)) }]
      : []),
    ...(compare && ofSums
      ? [
          {
            key: "before",
            title: "Before",
            align: "right" as const,
            render: (row: UsageRow) => measure.format(row.previous ? Number(ofSums(row.previous)) : 0),
          },
          { key: "change", title: "Change", align: "right" as const, render: (row: UsageRow) => signed(row.previous && changeOf(measure.of(row), ofSums(row.previous))) },
        ]
      : []),
    ...ALWAYS.filter((it) => it !== name).map(figure),
  ];
  return (
    <PageTable
      label={group === undefined ? "Usage by time" : `Usage by ${groupOf(group).one}`}
      rows={group === undefined ? rows?.toReversed() : rows}
      columns={columns}
      rowKey={(row) => (group === undefined ? String(timeOf(row.startTime).getTime()) : row.isRest ? " rest" : groupOf(group).keyOf(row))}
      fetching={fetching}
      onOpen={(row) => {
        const search = callsOf(row, question);
        if (search) void navigate({ to: "/calls", search });
      }}
      empty={<Text size="sm" c="dimmed">No call in this time.</Text>}
    />
  );
}

const signed = (change: number | undefined): string =>
  change === undefined ? "–" : `${change < 0 ? "−" : "+"}${formatShare(Math.abs(change))}`;

