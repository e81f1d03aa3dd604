import { Stack, Text } from "@mantine/core";
import type { UpstreamStatus } from "@tollkeeper/client/v1/status_service";
import { formatDuration } from "../../../shared/format/durations";
import { formatCount, formatShare } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { BreakerBadge } from "../../../shared/status/BreakerBadge";
import { connectReason, lastError } from "../../../shared/status/words";
import { CopyText } from "../../../shared/ui/CopyText";
import { Facts } from "../../../shared/ui/Facts";

const NO_CALL = "no call in the last 5 minutes";
const NO_CALL_WENT_WELL = "no call that went well in the last 5 minutes";

/** How an upstream is, as one process sees it. */
export function HealthFacts({ isActive, status }: { isActive: boolean; status: UpstreamStatus | undefined }) {
  if (!isActive) return <Text size="sm" c="dimmed">It is out of traffic, so no process looks at it.</Text>;
  if (!status) return <Text size="sm" c="dimmed">Nothing is known yet.</Text>;
  const { connectFailure: failure, lastProbe: probe } = status;
  const error = lastError(status);
  return (
    <Facts
      facts={[
        { name: "Breaker", value: <BreakerBadge isActive status={status} /> },
        { name: "In flight", value: formatCount(status.inFlight) },
        { name: "Success share", value: status.successShare === undefined ? NO_CALL : formatShare(status.successShare) },
        { name: "p95 of whole answers", value: status.p95Duration ? formatDuration(status.p95Duration) : NO_CALL_WENT_WELL },
        { name: "p50 of whole answers", value: status.p50Duration ? formatDuration(status.p50Duration) : NO_CALL_WENT_WELL },
        { name: "Calls looked at", value: formatCount(status.recentCalls) },
        { name: "Last error", value: error ? <>{error}, <Time time={status.lastErrorAt} ago /></> : "none" },
        {
          name: "Last failed connection",
          value: failure ? (
            <Stack gap={0}>
              <span>{connectReason(failure)}, <Time time={failure.failedAt} ago />{failure.isOver ? "; it has answered since" : ""}</span>
              {failure.detail && <Text size="xs" c="dimmed">{failure.detail}</Text>}
            </Stack>
          ) : "none",
        },
        {
          name: "Last probe",
          value: probe ? <>{probe.passed ? "passed" : probe.problem || "failed"}, <Time time={probe.probedAt} ago /></> : "none",
        },
        { name: "Seen by the process", value: <CopyText value={status.process} label="Copy the process" /> },
      ]}
    />
  );
}
