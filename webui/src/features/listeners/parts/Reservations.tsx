import { Text } from "@mantine/core";
import type { ExplainedReservation, ExplainRequestResponse } from "@tollkeeper/client/v1/configuration_service";
import { type Limit, LimitMeasure } from "@tollkeeper/client/v1/limit";
import { formatCount } from "../../../shared/format/numbers";
import { Time } from "../../../shared/format/Time";
import { ScopeLink, SCOPES } from "../../../shared/limits/ScopeLink";
import { amountOf, limitInWords } from "../../../shared/limits/words";
import { Section } from "../../../shared/ui/Section";
import { Table } from "../../../shared/ui/Table";

interface Props {
  told: ExplainRequestResponse;
  /** How many calls are asked about, all at once. */
  calls: number;
}

/** What the request would reserve of each limit, and what is left after. */
export function Reservations({ told, calls }: Props) {
  if (told.reservations.length === 0) return null;
  return (
    <Section title="What it reserves">
      <Text size="sm">
        {calls === 1 ? "What the request would hold of each limit until its use is known." : `${formatCount(told.admittedCalls)} of ${formatCount(calls)} such requests at once would be admitted.`}
      </Text>
      <Table.Scroll label="What it reserves, table">
        <Table miw={560} aria-label="What it reserves">
          <Table.Thead>
            <Table.Tr><Table.Th>Limit</Table.Th><Table.Th ta="right">Reserves</Table.Th><Table.Th ta="right">Left</Table.Th><Table.Th ta="right">Left after</Table.Th><Table.Th>Refuses</Table.Th></Table.Tr>
          </Table.Thead>
          <Table.Tbody>{told.reservations.map((it, at) => <Row key={at} reservation={it} calls={calls} />)}</Table.Tbody>
        </Table>
      </Table.Scroll>
    </Section>
  );
}

function Row({ reservation, calls }: { reservation: ExplainedReservation; calls: number }) {
  const { scope, scopeId, scopeName, limit, need, left, leftAfter } = reservation;
  if (!limit) return null;
  const amount = (value: bigint | undefined) => (value === undefined ? "not known" : amountOf(limit.measure, value));
  return (
    <Table.Tr>
      <Table.Td>
        {limitInWords(limit)}
        <Text size="xs" c="dimmed">of the <ScopeLink scope={scope} scopeId={scopeId}>{[SCOPES[scope], scopeName || scopeId].join(" ").trim()}</ScopeLink></Text>
      </Table.Td>
      <Table.Td ta="right">{amount(need)}</Table.Td>
      <Table.Td ta="right">{amount(left)}</Table.Td>
      <Table.Td ta="right">{amount(leftAfter)}</Table.Td>
      <Table.Td>{reservation.admittedCalls < calls && <Refuses reservation={reservation} limit={limit} calls={calls} />}</Table.Td>
    </Table.Tr>
  );
}

function Refuses({ reservation: { admittedCalls, passesAt }, limit, calls }: { reservation: ExplainedReservation; limit: Limit; calls: number }) {
  const after = calls === 1 ? "" : `after ${formatCount(admittedCalls)}: `;
  if (passesAt) return <Text span size="sm">{after}passes at <Time time={passesAt} /></Text>;
  return <Text span size="sm">{after}{limit.measure === LimitMeasure.CONCURRENT_REQUESTS ? "passes when others have ended" : "waiting does not help"}</Text>;
}
