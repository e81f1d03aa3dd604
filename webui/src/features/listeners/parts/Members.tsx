import { Code, Text } from "@mantine/core";
import type { ExplainedMember, ExplainRequestResponse } from "@tollkeeper/client/v1/configuration_service";
import { formatDuration } from "../../../shared/format/durations";
import { formatCount, formatShare } from "../../../shared/format/numbers";
import { connectReason } from "../../../shared/status/words";
import { NameLink } from "../../../shared/ui/NameLink";
import { type Column, PageTable } from "../../../shared/ui/PageTable";
import { Section } from "../../../shared/ui/Section";
import { StateBadge } from "../../../shared/ui/StateBadge";
import { type Tried, tryOrder } from "../tryOrder";

type Row = Tried<ExplainedMember>;

const BREAKERS: Record<string, readonly ["good" | "busy" | "bad", string]> = {
  closed: ["good", "Closed"],
  half_open: ["busy", "Probing"],
  open: ["bad", "Open"],
};

function Breaker({ breaker }: { breaker: string }) {
  const [tone, word] = BREAKERS[breaker] ?? ["bad", breaker];
  return <StateBadge tone={tone}>{word}</StateBadge>;
}

const columns: Column<Row>[] = [
  { key: "place", title: "Tried", render: ({ member, place }) => (place !== undefined ? `${place}.` : member.isAvailable ? "then" : "not now") },
  { key: "upstream", title: "Upstream", render: ({ member }) => <NameLink kind="upstream" name={member.upstream} strong={member.isChosen} /> },
  { key: "model", title: "Model there", render: ({ member }) => member.upstreamModel || <Text span size="sm" c="dimmed">as asked</Text> },
  { key: "breaker", title: "Breaker", render: ({ member }) => <Breaker breaker={member.breaker} /> },
  { key: "flight", title: "In flight", align: "right", render: ({ member }) => formatCount(member.inFlight) },
  { key: "success", title: "Success", align: "right", render: ({ member }) => (member.successShare === undefined ? "–" : formatShare(member.successShare)) },
  {
    key: "duration",
    title: "Average",
    align: "right",
    render: ({ member: { averageDuration: it } }) => (it && (it.seconds > 0n || it.nanos > 0) ? formatDuration(it) : "–"),
  },
  { key: "weight", title: "Weight", align: "right", wide: true, render: ({ member }) => formatCount(member.weight) },
  {
    key: "url",
    title: "URL",
    wide: true,
    render: ({ member }) => (
      <>
        <Code style={{ overflowWrap: "anywhere" }}>{member.url}</Code>
        {member.proxy && <Text size="xs" c="dimmed">by the proxy {member.proxy}</Text>}
        {member.connectFailure && <Text size="xs" c="dimmed">last connection that failed: {connectReason(member.connectFailure)}</Text>}
      </>
    ),
  },
];

/** The upstreams that could serve the request, in the order in which they would be tried, and then the fallbacks. */
export function Members({ told }: { told: ExplainRequestResponse }) {
  if (told.members.length === 0) return null;
  return (
    <Section title="Upstreams, in the order of tries">
      <Text size="sm" c="dimmed">
        {told.group ? <>Group <NameLink kind="group" name={told.group} inText /></> : "The model's own deployments"}, by {told.strategy.replaceAll("_", " ")}.
        {told.members.length > 1 && " After a failed call up to two others are tried, unless its policy sets retries."}
      </Text>
      <PageTable
        label="Upstreams"
        rows={tryOrder(told.members, told.strategy)}
        columns={columns}
        rowKey={({ member }) => `${member.upstream} ${member.upstreamModel}`}
        empty={null}
      />
      {told.fallbacks.length > 0 && (
        <Text size="sm">
          If none of them serves it, these models are tried in turn:{" "}
          {told.fallbacks.map((it, at) => <span key={it}>{at > 0 && ", "}<NameLink kind="model" name={it} inText /></span>)}
        </Text>
      )}
    </Section>
  );
}
