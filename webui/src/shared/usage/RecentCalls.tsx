import { useQuery } from "@connectrpc/connect-query";
import { Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { type UsageEvent, UsageService } from "@tollkeeper/client/v1/usage_service";
import { formatMicroseconds, formatShort } from "../format/numbers";
import { Time } from "../format/Time";
import { ErrorState } from "../ui/ErrorState";
import { AnchorLink } from "../ui/links";
import { type Column, PageTable } from "../ui/PageTable";
import { Section } from "../ui/Section";
import { CallAttempts, CallModels, CallStatus } from "./CallParts";

/** A call is of the upstream that was asked last, which others may have failed before. */
const ANSWERED_NONE = "No call ended here yet. One that went on to another upstream is among the calls of that one.";
const SHOWN = 10;
const REFRESH_MS = 5_000;

interface Props {
  /** Whose calls. */
  of: { project: string } | { token: string } | { upstream: string } | { model: string };
}

/** The address of the calls with the same filter, and the request for its first page. */
function filtersOf(of: Props["of"]) {
  if ("project" in of) return { search: { project: [of.project] }, request: { projectId: of.project } };
  if ("token" in of) return { search: { token: [of.token] }, request: { tokenId: of.token } };
  if ("upstream" in of) return { search: { upstream: [of.upstream] }, request: { upstreams: [of.upstream] } };
  return { search: { model: [of.model] }, request: { models: [of.model] } };
}

/** The latest calls of one thing. Each leads to its whole story among the calls. */
export function RecentCalls({ of }: Props) {
  const { search: filter, request } = filtersOf(of);
  const { data, error, refetch } = useQuery(
    UsageService.method.listUsageEvents,
    { pageSize: SHOWN, ...request },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const columns: Column<UsageEvent>[] = [
    {
      key: "time",
      title: "Time",
      render: (it) => <AnchorLink to="/calls" search={{ ...filter, call: it.id }}><Time time={it.startedAt} ago /></AnchorLink>,
    },
    ...(!("token" in of)
      ? [{ key: "token", title: "Token", render: (it: UsageEvent) => <AnchorLink to="/tokens/$id" params={{ id: it.tokenId }}>{it.tokenName || it.tokenId}</AnchorLink> }]
      : []),
    { key: "model", title: "Model", render: (it) => <CallModels event={it} /> },
    { key: "upstream", title: "Upstreams asked", render: (it) => <CallAttempts event={it} />, wide: true },
    { key: "status", title: "Status", render: (it) => <CallStatus event={it} /> },
    { key: "tokens", title: "Tokens", align: "right", render: (it) => formatShort(it.promptTokens + it.completionTokens) },
    { key: "duration", title: "Duration", align: "right", render: (it) => formatMicroseconds(it.durationMicroseconds) },
  ];
  return (
    <Section title="Recent calls" actions={<AnchorLink to="/calls" search={filter}>All calls</AnchorLink>}>
      {error && <ErrorState title="The calls can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <PageTable
          label="Recent calls"
          rows={data?.events}
          columns={columns}
          rowKey={(it) => it.id}
          empty={<Text size="sm" c="dimmed">{"upstream" in of ? ANSWERED_NONE : "No call yet. Each request to the gateway appears here a moment after it ended."}</Text>}
        />
      )}
    </Section>
  );
}
