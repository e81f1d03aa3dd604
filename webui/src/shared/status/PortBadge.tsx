import { Box, Text } from "@mantine/core";
import type { ListenerStatus } from "@tollkeeper/client/v1/status_service";
import { StateBadge } from "../ui/StateBadge";

interface Props {
  isActive: boolean;
  status: ListenerStatus | undefined;
  /** Whether the reason is told elsewhere. */
  brief?: boolean;
}

/** Whether a port is open, and if it is not, why. */
export function PortBadge({ isActive, status, brief = false }: Props) {
  if (!isActive) return <StateBadge tone="neutral">Closed</StateBadge>;
  if (status === undefined) return <StateBadge tone="neutral">Not known</StateBadge>;
  if (status.isOpen) return <StateBadge tone="good">Open</StateBadge>;
  return (
    <Box display="inline-block">
      <StateBadge tone="bad">Not open</StateBadge>
      {!brief && <Text size="xs" c="dimmed" maw={320} style={{ overflowWrap: "anywhere" }}>{status.problem}</Text>}
    </Box>
  );
}
