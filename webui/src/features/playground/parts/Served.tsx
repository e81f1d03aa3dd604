import { useQuery } from "@connectrpc/connect-query";
import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { UsageService } from "@tollkeeper/client/v1/usage_service";

const PAUSE_MS = 700;
const TRIES = 6;

/** Who answered a call, once its usage event is stored, and the way to that event. */
export function Served({ requestId, ended }: { requestId: string | undefined; ended: boolean }) {
  const found = useQuery(
    UsageService.method.listUsageEvents,
    { requestId: requestId ?? "", pageSize: 1 },
    {
      enabled: ended && requestId !== undefined,
      // Events are stored in batches, a moment after the call.
      refetchInterval: ({ state }) => ((state.data?.events.length ?? 0) > 0 || state.dataUpdateCount >= TRIES ? false : PAUSE_MS),
    },
  );
  const event = found.data?.events[0];
  if (!event) return null;
  return (
    <>
      {event.upstream && <span>answered by {event.upstream}{event.attempts.length > 1 ? ` after ${event.attempts.length} attempts` : ""}</span>}
      <Anchor fz="xs" renderRoot={(props) => <Link {...props} to="/calls" search={{ call: event.id }} />}>the call</Anchor>
    </>
  );
}
