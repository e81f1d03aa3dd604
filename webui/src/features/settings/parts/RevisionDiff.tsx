import { useQuery } from "@connectrpc/connect-query";
import { Badge, Button, Code, Group, List, Skeleton, Stack, Text } from "@mantine/core";
import { keepPreviousData } from "@tanstack/react-query";
import { ChangeAction, type ConfigurationChange, ConfigurationService } from "@tollkeeper/client/v1/configuration_service";
import { useCursor } from "../../../shared/api/useCursor";
import { formatCount } from "../../../shared/format/numbers";
import { ACTIONS } from "../../../shared/history/words";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { Pages } from "../../../shared/ui/PageTable";
import { Section } from "../../../shared/ui/Section";
import { limitsOf, readable } from "../compare";
import { EntityLink } from "./EntityLink";
import { Table } from "../../../shared/ui/Table";

const SIZE = 20;

interface Props {
  from: number;
  to: number;
  onClose: () => void;
}

/** How two revisions differ, by entity and field. */
export function RevisionDiff({ from, to, onClose }: Props) {
  const cursor = useCursor(`${from} ${to}`);
  const { data, error, refetch } = useQuery(
    ConfigurationService.method.diffRevisions,
    { fromRevision: BigInt(from), toRevision: BigInt(to), pageSize: SIZE, pageToken: cursor.pageToken },
    { placeholderData: keepPreviousData },
  );
  const title = to === from + 1 ? `Changes of revision ${formatCount(to)}` : `From revision ${formatCount(from)} to ${formatCount(to)}`;
  return (
    <Section title={title} actions={<Button variant="default" size="xs" onClick={onClose}>Close</Button>}>
      {error && <ErrorState title="They can't be compared" error={error} retry={() => void refetch()} />}
      {!data && !error && <Skeleton h={120} />}
      {data?.changes.length === 0 && <Text size="sm">They are the same: nothing differs.</Text>}
      {data?.changes.map((it) => <Entity key={`${it.kind} ${it.id} ${it.action}`} change={it} />)}
      <Pages cursor={cursor} next={data?.nextPageToken} />
    </Section>
  );
}

function Entity({ change }: { change: ConfigurationChange }) {
  const { kind, name, action, fields, withoutFields } = change;
  const hasOld = action !== ChangeAction.CREATE;
  const hasNew = action !== ChangeAction.DELETE;
  return (
    <Stack gap="xs" component="article" aria-label={`${kind} ${name}`}>
      <Group gap="xs">
        <Text span size="sm">{kind} <EntityLink {...change} /></Text>
        <Badge variant="default" tt="none">{ACTIONS[action]}</Badge>
      </Group>
      {withoutFields && <Text size="sm" c="dimmed">Which fields differ is not known: the revision changed very many entities.</Text>}
      {fields.length > 0 && (
        <Table.Scroll label={`Fields of ${name}, table`}>
          <Table miw={420} style={{ tableLayout: "fixed" }} aria-label={`Fields of ${name}`}>
            <Table.Thead>
              <Table.Tr><Table.Th w="26%">Field</Table.Th>{hasOld && <Table.Th>Old</Table.Th>}{hasNew && <Table.Th>New</Table.Th>}</Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {fields.map(({ field, before, after }) => (
                <Table.Tr key={field}>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>
                    {field}
                    {before === after && <Text size="xs" c="dimmed">It differs in what is not shown: a secret, or the value of a header.</Text>}
                  </Table.Td>
                  {hasOld && <Table.Td><Value field={field} json={before} /></Table.Td>}
                  {hasNew && <Table.Td><Value field={field} json={after} /></Table.Td>}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.Scroll>
      )}
    </Stack>
  );
}

function Value({ field, json }: { field: string; json: string }) {
  if (json === "") return <Text span size="sm" c="dimmed">none</Text>;
  const limits = field === "limits" ? limitsOf(json) : undefined;
  if (limits) return <List size="sm">{limits.map((it) => <List.Item key={it}>{it}</List.Item>)}</List>;
  return <Code style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere", display: "inline-block", maxWidth: "100%" }}>{readable(json)}</Code>;
}
