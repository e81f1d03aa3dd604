import { useQuery } from "@connectrpc/connect-query";
import { Box, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type Listener, ListenerService } from "@tollkeeper/client/v1/listener_service";
import type { ListenerStatus } from "@tollkeeper/client/v1/status_service";
import { useCursor } from "../../../shared/api/useCursor";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { PortBadge } from "../../../shared/status/PortBadge";
import { useListenerStatus } from "../../../shared/status/useListenerStatus";
import { EmptyState, NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { ButtonLink } from "../../../shared/ui/links";
import { NameLink } from "../../../shared/ui/NameLink";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { type Column, Pages, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { Section } from "../../../shared/ui/Section";
import { type Change, changed } from "../../../shared/url/search";
import { ListenerMenu } from "../parts/ListenerMenu";
import { Overlays } from "../parts/Overlays";
import { OwnPorts } from "../parts/OwnPorts";

const SIZE = 25;

interface Row {
  listener: Listener;
  status: ListenerStatus | undefined;
}

const columns: Column<Row>[] = [
  { key: "name", title: "Name", order: "name", render: ({ listener }) => <NameLink kind="listener" name={listener.name} strong /> },
  { key: "address", title: "Address", render: ({ listener }) => <Text span size="sm" ff="monospace">{listener.address}</Text> },
  { key: "tls", title: "TLS", render: ({ listener }) => (listener.tls ? "yes" : "no") },
  { key: "state", title: "Port", render: ({ listener, status }) => <PortBadge isActive={listener.isActive} status={status} /> },
  { key: "connections", title: "Connections", align: "right", render: ({ status }) => (status ? formatCount(status.connections) : "–") },
  { key: "rules", title: "Rules", align: "right", render: ({ listener }) => formatCount(listener.rules.length) },
  {
    key: "group",
    title: "Default group",
    render: ({ listener }) => (listener.defaultGroup ? <NameLink kind="group" name={listener.defaultGroup} /> : <Text span size="sm" c="dimmed">none</Text>),
  },
  { key: "changed", title: "Changed", order: "updated_at", wide: true, render: ({ listener }) => <Time time={listener.updatedAt} ago /> },
];

export function ListenersPage() {
  const search = useSearch({ from: "/listeners" });
  const navigate = useNavigate({ from: "/listeners" });
  const set = (change: Change<typeof search>) => void navigate({ search: (old) => changed(old, change) });
  const { q, order = "name", active, act, name } = search;
  const cursor = useCursor(JSON.stringify([q, order, active]));
  const list = useQuery(
    ListenerService.method.listListeners,
    { search: q ?? "", orderBy: order, pageSize: SIZE, pageToken: cursor.pageToken, withTotal: true, ...(active ? { isActive: active === "yes" } : {}) },
    { placeholderData: keepPreviousData },
  );
  const statuses = useListenerStatus();
  const rows = list.data?.listeners.map((listener) => ({ listener, status: statuses.all?.get(listener.name) }));
  const process = [...(statuses.all?.values() ?? [])][0]?.process;
  const open = (it: string) => void navigate({ to: "/listeners/$name", params: { name: it } });
  const close = () => set({ act: undefined, name: undefined });
  const create = <Button leftSection={<IconPlus size={16} />} data-page-new onClick={() => set({ act: "new" })}>New listener</Button>;
  return (
    <Stack>
      <PageHeader
        title="Listeners"
        description={<>Ports of the data plane, each with rules and limits of its own.{process && <> Ports as the process <Text span ff="monospace" size="sm">{process}</Text> has them, live.</>}</>}
        actions={<><ButtonLink variant="default" to="/tester">Test a route</ButtonLink>{create}</>}
      />
      <Group align="end">
        <Box flex="1 1 240px"><SearchBox label="Search name and address" value={q} onChange={(it) => set({ q: it })} /></Box>
        <SegmentedControl
          aria-label="State"
          value={active ?? ""}
          data={[{ value: "", label: "All" }, { value: "yes", label: "Active" }, { value: "no", label: "Inactive" }]}
          onChange={(it) => set({ active: it === "yes" || it === "no" ? it : undefined })}
        />
      </Group>
      {list.error && <ErrorState title="The listeners can't be read" error={list.error} retry={() => void list.refetch()} />}
      {statuses.error !== undefined && statuses.error !== null && <ErrorState title="The state of the ports can't be read" error={statuses.error} />}
      {(!list.error || rows) && (
        <PageTable
          label="Listeners"
          rows={rows}
          columns={columns}
          rowKey={(it) => it.listener.name}
          fetching={list.isPlaceholderData}
          order={order}
          onOrder={(it) => set({ order: it })}
          onOpen={(it) => open(it.listener.name)}
          actions={(it) => <ListenerMenu listener={it.listener} onAct={(next) => set({ act: next, name: it.listener.name })} />}
          empty={
            q !== undefined || active !== undefined ? (
              <NoMatch clear={() => set({ q: undefined, active: undefined })} />
            ) : (
              <EmptyState title="No listener yet" action={<Button variant="default" onClick={() => set({ act: "new" })}>Add a listener</Button>}>
                The gateway&apos;s own port serves every model. A listener is a further port, which sends requests to groups by their path or a header.
              </EmptyState>
            )
          }
        />
      )}
      <Pages cursor={cursor} next={list.data?.nextPageToken} total={list.data?.totalSize} />
      <Section title="The gateway's own ports"><OwnPorts statuses={statuses.all} /></Section>
      <Overlays act={act} name={name} onClose={close} onDeleted={close} onCreated={open} />
    </Stack>
  );
}
