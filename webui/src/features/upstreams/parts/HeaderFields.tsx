import { ActionIcon, Alert, Box, Button, Group, Input, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { HeaderAction } from "@tollkeeper/client/v1/upstream_service";
import type { FieldOf } from "../../../shared/forms/useEdit";
import type { HeaderRow } from "../values";

const ACTIONS = [
  { value: String(HeaderAction.INSERT), label: "Insert if absent" },
  { value: String(HeaderAction.REPLACE), label: "Replace" },
  { value: String(HeaderAction.REMOVE), label: "Remove" },
];

interface Props {
  rows: readonly HeaderRow[];
  field: FieldOf;
  onChange: (rows: HeaderRow[]) => void;
}

/** The changes to the headers of every request, in their order. */
export function HeaderFields({ rows, field, onChange }: Props) {
  const error = field("headerOperations").error;
  return (
    <Box role="group" aria-label="Header operations">
      <Input.Label labelElement="div">Header operations</Input.Label>
      <Text size="xs" c="dimmed" mb={4}>Changes to every request, in order. Values are not kept secret; a credential belongs into the API key.</Text>
      <Stack gap="xs">
        {error && <Alert color="red" p="xs" role="alert" tabIndex={-1} data-path="headerOperations">{error}</Alert>}
        {rows.map((row, at) => (
          <Group key={at} gap="xs" align="end">
            <Select
              w={150}
              label="Change"
              allowDeselect={false}
              data={ACTIONS}
              data-path={`headerOperations.${at}.action`}
              error={field(`headerOperations.${at}.action`).error}
              value={String(row.action)}
              onChange={(it) => onChange(rows.with(at, { ...row, action: Number(it), value: Number(it) === HeaderAction.REMOVE ? "" : row.value }))}
            />
            <TextInput flex="1 1 120px" label="Header" {...field(`headerOperations.${at}.name`)} />
            {row.action !== HeaderAction.REMOVE && <TextInput flex="1 1 120px" label="Value" {...field(`headerOperations.${at}.value`)} />}
            <ActionIcon variant="default" size="lg" aria-label={`Remove the change of ${row.name || "a header"}`} onClick={() => onChange(rows.toSpliced(at, 1))}>
              <IconTrash size={16} />
            </ActionIcon>
          </Group>
        ))}
        <Group><Button size="xs" variant="default" onClick={() => onChange([...rows, { action: HeaderAction.INSERT, name: "", value: "" }])}>Add a change</Button></Group>
      </Stack>
    </Box>
  );
}
