import { Stack, Text } from "@mantine/core";
import type { UsageEvent } from "@tollkeeper/client/v1/usage_service";
import { formatMicroseconds, formatShort } from "../../../shared/format/numbers";
import { formatClock, formatTime } from "../../../shared/format/times";
import { AnchorLink } from "../../../shared/ui/links";
import type { Column } from "../../../shared/ui/PageTable";
import { CallAttempts, CallModels, CallStatus } from "../../../shared/usage/CallParts";

/** What the list of calls says of each; the day stands there where the list may have several. */
export const columnsFor = (zone: string, days: boolean): Column<UsageEvent>[] => [
  {
    key: "time",
    title: "Time",
    render: (it) => it.startedAt && (
      <AnchorLink from="/calls" to="/calls" search={(old) => ({ ...old, call: it.id })} style={{ whiteSpace: "nowrap" }}>
        {days ? `${formatTime(it.startedAt, zone).replace(/ \d{4},/, ",")}${formatClock(it.startedAt, zone).slice(5, 8)}` : formatClock(it.startedAt, zone)}
      </AnchorLink>
    ),
  },
  {
    key: "who",
    title: "Project, token",
    render: (it) => (
      <Stack gap={0}>
        <Text span size="sm">{it.projectName || it.projectId}</Text>
        <Text span size="xs" c="dimmed">{it.tokenName || it.tokenId}</Text>
      </Stack>
    ),
  },
  { key: "model", title: "Model", render: (it) => <CallModels event={it} /> },
  { key: "attempts", title: "Upstreams asked", render: (it) => <CallAttempts event={it} /> },
  { key: "status", title: "Status", render: (it) => <CallStatus event={it} /> },
  { key: "tokens", title: "Tokens", align: "right", render: (it) => formatShort(it.promptTokens + it.completionTokens) },
  {
    key: "firstByte",
    title: "First byte",
    align: "right",
    wide: true,
    render: (it) => (it.firstByteMicroseconds === 0n ? "–" : formatMicroseconds(it.firstByteMicroseconds)),
  },
  { key: "duration", title: "Duration", align: "right", render: (it) => formatMicroseconds(it.durationMicroseconds) },
];
