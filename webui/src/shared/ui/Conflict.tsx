import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { Table } from "./Table";

export interface Difference {
  field: string;
  /** The value that was read when the edit began, the one that stands there at present, and the one that was typed. */
  theirs: string;
  yours: string;
}

interface Props {
  differences: readonly Difference[];
  /** Keep what was typed and store it over the present values. */
  onOverwrite: () => void;
  /** Give up what was typed for the present values. */
  onTake: () => void;
}

/** Both versions of a thing that two people edited at once. What was typed stays in the form below. */
export function Conflict({ differences, onOverwrite, onTake }: Props) {
  return (
    <Alert color="orange" role="alert" title="Somebody else changed this meanwhile">
      <Stack gap="sm">
        <Text size="sm">Nothing was stored. What you typed is kept below. These fields differ:</Text>
        <Table aria-label="Differences">
          <Table.Thead>
            <Table.Tr><Table.Th>Field</Table.Th><Table.Th>Stored</Table.Th><Table.Th>Yours</Table.Th></Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {differences.map(({ field, theirs, yours }) => (
              <Table.Tr key={field}><Table.Td>{field}</Table.Td><Table.Td>{theirs}</Table.Td><Table.Td>{yours}</Table.Td></Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={onTake}>Take the stored version</Button>
          <Button size="xs" onClick={onOverwrite}>Store mine over it</Button>
        </Group>
      </Stack>
    </Alert>
  );
}
