import { useQuery } from "@connectrpc/connect-query";
import { Group, List, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconInfoCircle } from "@tabler/icons-react";
import { AttentionKind, Severity, StatusService } from "@tollkeeper/client/v1/status_service";
import { Fragment } from "react";
import { Time } from "../../../shared/format/Time";
import { mattersOf, type Matter as MatterOf } from "../matters";
import { ScopeLink, scopeOf } from "../../../shared/limits/ScopeLink";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { AnchorLink } from "../../../shared/ui/links";
import { Section } from "../../../shared/ui/Section";

const REFRESH_MS = 10_000;

/** What needs attention, the most severe first, each with what to do. */
export function Attention() {
  const found = useQuery(StatusService.method.listAttention, {}, { refetchInterval: REFRESH_MS });
  const items = (found.data?.attention ?? []).filter((it) => it.kind !== AttentionKind.NO_UPSTREAM);
  return (
    <Section title="Needs attention">
      {found.error && <ErrorState title="It can't be said what needs attention" error={found.error} retry={() => void found.refetch()} />}
      {found.data && items.length === 0 && (
        <Group gap="xs"><IconCircleCheck size={18} aria-hidden /><Text size="sm">Nothing.</Text></Group>
      )}
      <List listStyleType="none" spacing="sm" aria-label="What needs attention">
        {mattersOf(items).map((it) => <List.Item key={`${it.first.kind} ${it.first.detail} ${it.first.process}`}><Matter {...it} /></List.Item>)}
      </List>
    </Section>
  );
}

const WORDS: Record<Severity, string> = {
  [Severity.UNSPECIFIED]: "Note",
  [Severity.INFO]: "Note",
  [Severity.WARNING]: "Warning",
  [Severity.ERROR]: "Error",
};

function Matter({ first, subjects }: MatterOf) {
  const Icon = first.severity >= Severity.WARNING ? IconAlertTriangle : IconInfoCircle;
  const color = first.severity === Severity.ERROR ? "red" : first.severity === Severity.WARNING ? "orange" : "gray";
  return (
    <Group gap="xs" wrap="nowrap" align="start">
      <Icon size={18} color={`var(--mantine-color-${color}-6)`} aria-label={WORDS[first.severity]} style={{ flex: "none", marginTop: 2 }} />
      <Stack gap={0} miw={0}>
        <Text component="div" size="sm" style={{ overflowWrap: "anywhere" }}>
          {subjects.map((subject, index) => <Fragment key={subject}>{index > 0 && ", "}<Subject first={first} subject={subject} /></Fragment>)}
          {subjects.length > 0 && ": "}{first.detail}
          {first.since && <Text span c="dimmed"> · <Time time={first.since} ago /></Text>}
        </Text>
        <Remedy first={first} subjects={subjects} />
      </Stack>
    </Group>
  );
}

/** What to do. What the console can do itself leads there. */
function Remedy({ first: { kind, remedy, scope }, subjects: [subject, ...others] }: MatterOf) {
  if (kind === AttentionKind.BUDGET) return <ScopeLink scope={scopeOf(scope)} scopeId={subject ?? ""} edit>raise the limit</ScopeLink>;
  if (kind !== AttentionKind.UNPRICED || subject === undefined) return <Text size="sm" c="dimmed">{remedy}</Text>;
  if (others.length > 0) return <Text size="sm" c="dimmed">give each a price, on its page</Text>;
  return <AnchorLink size="sm" underline="always" to="/models/$name" params={{ name: subject }} search={{ act: "edit" }}>give it a price</AnchorLink>;
}

function Subject({ first: { kind, scope, scopeName }, subject }: { first: MatterOf["first"]; subject: string }) {
  switch (kind) {
    case AttentionKind.BUDGET:
      return <ScopeLink scope={scopeOf(scope)} scopeId={subject}>{scopeName || subject}</ScopeLink>;
    case AttentionKind.BREAKER:
    case AttentionKind.CONNECT:
    case AttentionKind.PROBE:
      return <AnchorLink underline="always" to="/upstreams/$name" params={{ name: subject }}>{subject}</AnchorLink>;
    case AttentionKind.UNPRICED:
      return <AnchorLink underline="always" to="/models/$name" params={{ name: subject }}>{subject}</AnchorLink>;
    case AttentionKind.LISTENER:
      return <AnchorLink underline="always" to="/listeners/$name" params={{ name: subject }}>{subject}</AnchorLink>;
    default:
      return <b>{subject}</b>;
  }
}
