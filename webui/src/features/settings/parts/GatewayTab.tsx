import { useQuery } from "@connectrpc/connect-query";
import { Badge, Group, Skeleton, Stack, Text } from "@mantine/core";
import { type PartStatus, type ProcessStatus, StatusService } from "@tollkeeper/client/v1/status_service";
import { useState } from "react";
import { toMicroseconds } from "../../../shared/format/durations";
import { formatBytes, formatCount, formatMicroseconds } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { useWatchStatus } from "../../../shared/status/useWatchStatus";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { type Fact, Facts } from "../../../shared/ui/Facts";
import { AnchorLink } from "../../../shared/ui/links";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { Section } from "../../../shared/ui/Section";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { PARTS, STATES } from "../words";

// The stream tells no change of the snapshot's age alone.
const AGE_EVERY_MS = 5_000;

const columns: Column<PartStatus>[] = [
  {
    key: "part",
    title: "Part",
    render: ({ part }) => (
      <><Text span size="sm" fw={600}>{PARTS[part]?.title ?? part}</Text>{PARTS[part] && <Text span size="sm" c="dimmed"> {PARTS[part].does}</Text>}</>
    ),
  },
  { key: "state", title: "State", render: ({ state }) => <StateBadge tone={STATES[state].tone}>{STATES[state].word}</StateBadge> },
  { key: "problem", title: "Problem", render: ({ problem }) => problem || <Text span size="sm" c="dimmed">none</Text> },
];

/** How the process that answers is, live. */
export function GatewayTab() {
  const [status, setStatus] = useState<ProcessStatus>();
  const { live, error } = useWatchStatus((message) => setStatus((before) => message.status ?? before));
  if (status === undefined && error) return <ErrorState title="The status can't be read" error={error} />;
  if (status === undefined) return <Skeleton h={320} />;
  return (
    <Stack>
      {error && <ErrorState title="The status can't be followed; what was known stays" error={error} />}
      <Section title="Process" actions={<Badge variant="default" tt="none">{live ? "live" : "connecting…"}</Badge>}>
        <Process status={status} />
      </Section>
      <Section title="Parts">
        <PageTable label="Parts" rows={status.parts} columns={columns} rowKey={(it) => it.part} empty={null} />
      </Section>
      <Section title="Journal"><Journal status={status} /></Section>
      <Section title="Certificate"><Certificate status={status} /></Section>
    </Stack>
  );
}

function Process({ status }: { status: ProcessStatus }) {
  const asked = useQuery(StatusService.method.getStatus, {}, { refetchInterval: AGE_EVERY_MS });
  const age = asked.data?.status?.snapshotAge;
  const facts: Fact[] = [
    { name: "Version", value: status.version },
    { name: "Process", value: <Text span size="sm" ff="monospace">{status.process}</Text> },
    { name: "Started", value: <><Time time={status.startedAt} /> (<Time time={status.startedAt} ago />)</> },
    { name: "Traffic", value: <StateBadge tone={status.isReady ? "good" : "bad"}>{status.isReady ? "Ready" : "Should get none"}</StateBadge> },
    {
      name: "Revision of the configuration",
      value: (
        <Group gap="xs" component="span">
          <span>{formatCount(status.revision)}</span>
          <AnchorLink to="/settings" search={{ tab: "revisions" }}>Revisions</AnchorLink>
        </Group>
      ),
    },
    { name: "Confirmed by the store", value: age ? `${formatMicroseconds(toMicroseconds(age))} ago` : asked.data ? "never" : "–" },
    { name: "Store", value: status.storeEngine },
  ];
  return <Facts facts={facts} />;
}

function Journal({ status: { journal } }: { status: ProcessStatus }) {
  if (!journal) return <Text size="sm" c="dimmed">Not known.</Text>;
  return (
    <Facts
      facts={[
        { name: "Events that wait to be stored", value: formatCount(journal.waitingEvents) },
        { name: "Bytes that wait", value: formatBytes(journal.waitingBytes) },
        { name: "Waiting since", value: <Time time={journal.waitingSince} none="nothing waits" ago /> },
        { name: "In memory alone", value: journal.unwrittenEvents > 0n ? `${formatCount(journal.unwrittenEvents)}: the journal can't be written` : "none" },
        { name: "Lines that could not be read", value: formatCount(journal.skippedLines) },
      ]}
    />
  );
}

function Certificate({ status: { certificate } }: { status: ProcessStatus }) {
  if (!certificate) return <Text size="sm" c="dimmed">None: the ports speak HTTP without TLS. The settings tls_cert and tls_key give one.</Text>;
  return (
    <Facts
      facts={[
        { name: "Expires", value: <><Time time={certificate.expiresAt} /> (<Time time={certificate.expiresAt} ago />)</> },
        { name: "Made by", value: certificate.isSelfSigned ? "the process itself; callers must be told to trust it" : "an authority" },
      ]}
    />
  );
}
