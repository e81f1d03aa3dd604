import { Box, Text } from "@mantine/core";
import { BreakerState, type UpstreamStatus } from "@tollkeeper/client/v1/status_service";
import { Time } from "../format/Time";
import { StateBadge } from "../ui/StateBadge";
import { stateOf } from "./words";

interface Props {
  isActive: boolean;
  status: UpstreamStatus | undefined;
}

/** The state of an upstream's breaker; of an open one, since when, and when it is tried again. */
export function BreakerBadge({ isActive, status }: Props) {
  const { tone, word } = stateOf(isActive, status);
  const isOpen = isActive && status?.breaker === BreakerState.OPEN;
  return (
    <Box display="inline-block">
      <StateBadge tone={tone}>{word}</StateBadge>
      {isOpen && status.openedAt && (
        <Text size="xs" c="dimmed">
          since <Time time={status.openedAt} ago />{status.retryAt && <>, tried again <Time time={status.retryAt} ago /></>}
        </Text>
      )}
    </Box>
  );
}
