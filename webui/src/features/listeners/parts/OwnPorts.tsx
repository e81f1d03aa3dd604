import { Text } from "@mantine/core";
import type { ListenerStatus } from "@tollkeeper/client/v1/status_service";
import { formatCount } from "../../../shared/format/numbers";
import { PortBadge } from "../../../shared/status/PortBadge";
import { NameLink } from "../../../shared/ui/NameLink";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { type OwnPort, ownPort } from "../ports";

interface Row {
  port: OwnPort;
  status: ListenerStatus;
}

const columns: Column<Row>[] = [
  { key: "name", title: "Name", render: ({ port }) => <NameLink kind="listener" name={port.name} strong /> },
  { key: "purpose", title: "What it is", render: ({ port }) => <Text size="sm" maw={420}>{port.purpose}</Text> },
  { key: "address", title: "Address", render: ({ status }) => <Text span size="sm" ff="monospace">{status.address}</Text> },
  { key: "tls", title: "TLS", render: ({ status }) => (status.tls ? "yes" : "no") },
  { key: "state", title: "Port", render: ({ status }) => <PortBadge isActive status={status} /> },
  { key: "connections", title: "Connections", align: "right", render: ({ status }) => formatCount(status.connections) },
];

/** The ports that the gateway has without any listener. */
export function OwnPorts({ statuses }: { statuses: ReadonlyMap<string, ListenerStatus> | undefined }) {
  const rows = statuses && [...statuses.values()].flatMap((status) => {
    const port = ownPort(status.name);
    return port ? [{ port, status }] : [];
  });
  return <PageTable label="The gateway's own ports" rows={rows} columns={columns} rowKey={(it) => it.port.name} empty={null} />;
}
