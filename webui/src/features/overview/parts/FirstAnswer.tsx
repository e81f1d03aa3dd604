import { Alert, Group, Text } from "@mantine/core";
import { IconCircleCheck } from "@tabler/icons-react";
import type { UsageEvent } from "@tollkeeper/client/v1/usage_service";
import { formatMicroseconds } from "../../../shared/format/numbers";
import { AnchorLink } from "../../../shared/ui/links";
import { CallModels, CallStatus } from "../../../shared/usage/CallParts";

/** The first call that a model has answered, with the way to its whole story. */
export function FirstAnswer({ event }: { event: UsageEvent }) {
  return (
    <Alert color="green" role="status" title="The first call was answered" icon={<IconCircleCheck size={18} />}>
      <Group gap="xs">
        <CallModels event={event} />
        <CallStatus event={event} />
        <Text span size="sm">by {event.upstream} in {formatMicroseconds(event.durationMicroseconds)}</Text>
        <AnchorLink c="bright" underline="always" to="/calls" search={{ call: event.id }}>See the call</AnchorLink>
      </Group>
    </Alert>
  );
}
