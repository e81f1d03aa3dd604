import { useQuery } from "@connectrpc/connect-query";
import { Badge, Box, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { UpstreamStatus } from "@tollkeeper/client/v1/status_service";
import { type Upstream, UpstreamService } from "@tollkeeper/client/v1/upstream_service";
import { useCursor } from "../../../shared/api/useCursor";
import { formatDuration } from "../../../shared/format/durations";
import { formatCount, formatShare } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { BreakerBadge } from "../../../shared/status/BreakerBadge";
import { useUpstreamStatus } from "../../../shared/status/useUpstreamStatus";
import { troubleOf } from "../../../shared/status/words";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { NameLink } from "../../../shared/ui/NameLink";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { type Change, changed } from "../../../shared/url/search";
import { Overlays } from "../parts/Overlays";
import { UpstreamMenu } from "../parts/UpstreamMenu";
import { providerName } from "../providers";

const SIZE = 25;

interface Row {
  upstream: Upstream;
  status: UpstreamStatus | undefined;
}

const columns: Column<Row>[] = [
  {
    key: "name",
    title: "Name",
    order: "name",
    render: ({ upstream: { name, isDefault } }) => (
      <Group gap="xs">
        <NameLink kind="upstream" name={name} strong />
        {isDefault && <Badge variant="default" tt="none">default</Badge>}
      </Group>
    ),
  },
  { key: "provider", title: "Provider", render: ({ upstream }) => providerName(upstream.provider) },
  {
    key: "url",
    title: "URL",
    wide: true,
    render: ({ upstream }) => <Text size="sm" maw={220} truncate title={upstream.baseUrl || upstream.fullUrl}>{upstream.baseUrl || upstream.fullUrl}</Text>,
  },
  { key: "breaker", title: "Breaker", render: ({ upstream, status }) => <BreakerBadge isActive={upstream.isActive} status={status} /> },
  { key: "flight", title: "In flight", align: "right", render: ({ status }) => (status ? formatCount(status.inFlight) : "–") },
  { key: "p95", title: "p95", align: "right", render: ({ status }) => (status?.p95Duration ? formatDuration(status.p95Duration) : "–") },
  {
    key: "success",
    title: "Success",
    align: "right",
    render: ({ status }) => (status?.successShare === undefined ? "–" : formatShare(status.successShare)),
  },
  {
    key: "error",
    title: "Last error",
    render: ({ status }) => {
      const trouble = status && troubleOf(status);
      if (!trouble) return <Text size="sm" c="dimmed">none</Text>;
      return <Text size="sm" ta="inherit" maw={{ base: "none", sm: 260 }}>{trouble.text}, <Time time={trouble.at} ago /></Text>;
    },
  },
];

export function UpstreamsPage() {
  const search = useSearch({ from: "/upstreams" });
  const navigate = useNavigate({ from: "/upstreams" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { q, order = "name", active, act, name } = search;
  const cursor = useCursor(JSON.stringify([q, order, active]));
  const list = useQuery(
    UpstreamService.method.listUpstreams,
    { search: q ?? "", orderBy: order, pageSize: SIZE, pageToken: cursor.pageToken, withTotal: true, ...(active ? { isActive: active === "yes" } : {}) },
    { placeholderData: keepPreviousData },
  );
  const statuses = useUpstreamStatus();
  const rows = list.data?.upstreams.map((upstream) => ({ upstream, status: statuses.all?.get(upstream.name) }));
  const process = [...(statuses.all?.values() ?? [])][0]?.process;
  const isFiltered = q !== undefined || active !== undefined;
  const close = () => set({ act: undefined, name: undefined });
  const create = <Button leftSection={<IconPlus size={16} />} data-page-new onClick={() => set({ act: "new" })}>New upstream</Button>;
  return (
    <Stack>
      <PageHeader
        title="Upstreams"
        description={<>Where requests are forwarded to.{process && <> Health as the process <Text span ff="monospace" size="sm">{process}</Text> sees it{statuses.live ? ", live" : "; no news arrive at present"}.</>}</>}
        actions={create}
      />
      <Group align="end">
        <Box flex="1 1 240px"><SearchBox label="Search name, provider, URL" value={q} onChange={(it) => set({ q: it })} /></Box>
        <SegmentedControl
          aria-label="Traffic"
          value={active ?? ""}
          data={[{ value: "", label: "All" }, { value: "yes", label: "In traffic" }, { value: "no", label: "Out" }]}
          onChange={(it) => set({ active: it === "yes" || it === "no" ? it : undefined })}
        />
      </Group>
      {list.error && <ErrorState title="The upstreams can't be read" error={list.error} retry={() => void list.refetch()} />}
      {statuses.error !== undefined && statuses.error !== null && <ErrorState title="The health of the upstreams can't be read" error={statuses.error} />}
      {(!list.error || rows) && (
        <PageTable
          label="Upstreams"
          rows={rows}
          columns={columns}
          rowKey={(it) => it.upstream.name}
          fetching={list.isPlaceholderData}
          order={order}
          onOrder={(it) => set({ order: it })}
          onOpen={(it) => void navigate({ to: "/upstreams/$name", params: { name: it.upstream.name } })}
          actions={(it) => <UpstreamMenu upstream={it.upstream} status={it.status} onAct={(next) => set({ act: next, name: it.upstream.name })} />}
          empty={
            isFiltered ? (
              <NoMatch clear={() => set({ q: undefined, active: undefined })} />
            ) : (
              <EmptyState title="No upstream yet" action={create}>
                An upstream is a provider&apos;s endpoint with its credential. Requests have nowhere to go without one.
              </EmptyState>
            )
          }
        />
      )}
      <Pages cursor={cursor} next={list.data?.nextPageToken} total={list.data?.totalSize} />
      <Overlays
        act={act}
        name={name}
        onClose={close}
        onDeleted={close}
        onCreated={(it) => void navigate({ to: "/upstreams/$name", params: { name: it } })}
      />
    </Stack>
  );
}
