import { ActionIcon, Alert, Box, Button, Group, Paper, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { useRef } from "react";
import type { FieldOf } from "../../../shared/forms/useEdit";
import { groups } from "../../../shared/pickers/groups";
import { PickOne } from "../../../shared/pickers/Picker";
import { ruleOrder } from "../ruleOrder";
import { type Matching, NO_RULE, type RuleRow } from "../values";

interface Props {
  rows: readonly RuleRow[];
  field: FieldOf;
  onChange: (rows: RuleRow[]) => void;
}

const MATCHING: { value: Matching; label: string }[] = [
  { value: "any", label: "with any value" },
  { value: "value", label: "equals" },
  { value: "pattern", label: "matches the pattern" },
];

/** The rules of a listener: added, taken away and moved by buttons, so that a keyboard does for it. */
export function RulesField({ rows, field, onChange }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const error = field("rules").error;
  const order = ruleOrder(rows);
  const put = (at: number, change: Partial<RuleRow>) => onChange(rows.map((it, index) => (index === at ? { ...it, ...change } : it)));
  const move = (from: number, to: number) => {
    const moved = [...rows];
    const [row] = moved.splice(from, 1);
    if (row) onChange(moved.toSpliced(to, 0, row));
  };
  const add = () => {
    onChange([...rows, NO_RULE]);
    // The new row is there after the next paint.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-path="rules.${rows.length}.path"]`)?.focus());
  };
  return (
    <Box ref={list} role="group" aria-label="Rules">
      <Text fw={500} size="sm">Rules</Text>
      <Text size="xs" c="dimmed" mb={4}>
        Of the rules that match, the one with the most specific path applies; the order here decides only between rules that are equally specific.
        A path has static segments, :name, {"{name:regex}"}, * for one segment, and a * at the end for the rest.
      </Text>
      <Stack gap="xs">
        {error && <Alert color="red" role="alert" data-path="rules" tabIndex={-1}>{error}</Alert>}
        {rows.map((row, at) => (
          <Paper key={at} withBorder p="xs" role="group" aria-label={`Rule ${at + 1}`}>
            <Stack gap="xs">
              <Group justify="space-between">
                <Text size="sm" fw={500}>{`Rule ${at + 1}`}<Text span size="xs" c="dimmed" fw={400}>{` · looked at as number ${order.indexOf(at) + 1}`}</Text></Text>
                <Group gap={4}>
                  <ActionIcon variant="default" disabled={at === 0} aria-label={`Move rule ${at + 1} up`} onClick={() => move(at, at - 1)}><IconArrowUp size={14} /></ActionIcon>
                  <ActionIcon variant="default" disabled={at === rows.length - 1} aria-label={`Move rule ${at + 1} down`} onClick={() => move(at, at + 1)}><IconArrowDown size={14} /></ActionIcon>
                  <ActionIcon variant="default" aria-label={`Remove rule ${at + 1}`} onClick={() => onChange(rows.toSpliced(at, 1))}><IconTrash size={14} /></ActionIcon>
                </Group>
              </Group>
              <TextInput label="Path" placeholder="any path" spellCheck={false} {...field(`rules.${at}.path`)} />
              <SimpleGrid cols={{ base: 1, xs: 3 }} spacing="xs">
                <TextInput label="Header" placeholder="none" spellCheck={false} {...field(`rules.${at}.header`)} />
                <Select
                  label="It"
                  disabled={row.header === ""}
                  allowDeselect={false}
                  data={MATCHING}
                  value={row.matching}
                  onChange={(it) => put(at, { matching: MATCHING.find(({ value }) => value === it)?.value ?? "any" })}
                />
                {row.header !== "" && row.matching === "value" && <TextInput label="Value" required spellCheck={false} {...field(`rules.${at}.value`)} />}
                {row.header !== "" && row.matching === "pattern" && (
                  <TextInput label="Pattern" required placeholder="a regular expression of it whole" spellCheck={false} {...field(`rules.${at}.pattern`)} />
                )}
              </SimpleGrid>
              <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
                <PickOne
                  label="Group"
                  required
                  placeholder="Search groups"
                  {...groups}
                  {...field(`rules.${at}.group`)}
                  value={row.group || undefined}
                  onChange={(it) => put(at, { group: it ?? "" })}
                />
                <TextInput label="Strip prefix" placeholder="nothing, such as /tenant" spellCheck={false} {...field(`rules.${at}.stripPrefix`)} />
              </SimpleGrid>
            </Stack>
          </Paper>
        ))}
        <Button variant="default" size="xs" style={{ alignSelf: "start" }} onClick={add}>Add rule</Button>
      </Stack>
    </Box>
  );
}
