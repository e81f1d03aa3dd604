import { formatDuration } from "../format/durations";
import { formatCount, formatShare } from "../format/numbers";
import { BreakerBadge } from "../status/BreakerBadge";
import { useUpstreamStatus } from "../status/useUpstreamStatus";
import { EmptyState } from "../ui/EmptyState";
import { NameLink } from "../ui/NameLink";
import { type Column, PageTable } from "../ui/PageTable";

interface Target {
  upstream: string;
  weight?: number | undefined;
  /** What the model is called there; empty is its own name. */
  upstreamModel?: string;
}

interface Props {
  label: string;
  targets: readonly Target[];
  weighs: boolean;
  /** The name of the model, if these serve one. */
  model?: string;
}

/** Upstreams in their order, and how each is. */
export function TargetsTable({ label, targets, weighs, model }: Props) {
  const { all } = useUpstreamStatus();
  const total = targets.reduce((sum, it) => sum + (it.weight ?? 1), 0);
  const rows = targets.map((it, at) => ({ ...it, at, status: all?.get(it.upstream) }));
  type Row = (typeof rows)[number];
  const columns: Column<Row>[] = [
    { key: "upstream", title: "Upstream", render: (it) => <>{it.at + 1}. <NameLink kind="upstream" name={it.upstream} strong /></> },
    ...(model === undefined
      ? []
      : [{ key: "model", title: "Model there", render: (it: Row) => it.upstreamModel || (model.endsWith("*") ? "the name that was asked for" : model) }]),
    // Where the strategy looks at no weights, they would mislead.
    ...(weighs
      ? [{ key: "weight", title: "Weight", align: "right" as const, render: (it: Row) => `${formatCount(it.weight ?? 1)} (${formatShare((it.weight ?? 1) / total)})` }]
      : []),
    // Only active upstreams have a status.
    { key: "state", title: "Breaker", render: (it) => <BreakerBadge isActive={all === undefined || it.status !== undefined} status={it.status} /> },
    { key: "flight", title: "In flight", align: "right", render: (it) => (it.status ? formatCount(it.status.inFlight) : "–") },
    { key: "p95", title: "p95", align: "right", render: (it) => (it.status?.p95Duration ? formatDuration(it.status.p95Duration) : "–") },
  ];
  return (
    <PageTable
      label={label}
      rows={rows}
      columns={columns}
      rowKey={(it) => it.upstream + (it.upstreamModel ?? "")}
      empty={<EmptyState title="None">Nothing serves it.</EmptyState>}
    />
  );
}
