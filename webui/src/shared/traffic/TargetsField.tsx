import { ActionIcon, Alert, Box, Button, Group, Input, NumberInput, Paper, Stack, Text, TextInput } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconTrash } from "@tabler/icons-react";
import { useRef } from "react";
import type { FieldOf } from "../forms/useEdit";
import { upstreams } from "../pickers/upstreams";
import { PickOne } from "../pickers/Picker";
import { NO_TARGET, type Target } from "./targets";

interface Props {
  /** The field of the form, such as members. */
  path: string;
  /** What one of them is, such as Member. */
  label: string;
  rows: readonly Target[];
  field: FieldOf;
  onChange: (rows: Target[]) => void;
  /** Whether the strategy looks at weights. */
  weighs: boolean;
  /** Whether each says what the model is called there. */
  withModel: boolean;
}

/** Upstreams in their order, with weights: added, taken away and moved by buttons, so that a keyboard does for it. */
export function TargetsField({ path, label, rows, field, onChange, weighs, withModel }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const error = field(path).error;
  const move = (from: number, to: number) => {
    const moved = [...rows];
    const [row] = moved.splice(from, 1);
    if (row) onChange(moved.toSpliced(to, 0, row));
  };
  const add = () => {
    onChange([...rows, NO_TARGET]);
    // The new row is there after the next paint.
    requestAnimationFrame(() => list.current?.querySelector<HTMLElement>(`[data-path="${path}.${rows.length}.upstream"]`)?.focus());
  };
  const total = rows.reduce((sum, it) => sum + (it.weight || 1), 0);
  return (
    <Box ref={list} role="group" aria-label={`${label}s`}>
      <Input.Label labelElement="div" mb={4}>{label}s</Input.Label>
      <Stack gap="xs">
        {error && <Alert color="red" p="xs" role="alert" data-path={path} tabIndex={-1}>{error}</Alert>}
        {rows.map((row, at) => (
          <Paper key={at} withBorder p="xs" role="group" aria-label={`${label} ${at + 1}${row.upstream && `, ${row.upstream}`}`}>
            <Group gap="xs" align="end" wrap="wrap">
              <Box flex="2 1 160px"><PickOne label="Upstream" required placeholder="Search upstreams" {...upstreams} {...field(`${path}.${at}.upstream`)} value={row.upstream || undefined} onChange={(it) => onChange(rows.with(at, { ...row, upstream: it ?? "" }))} /></Box>
              {withModel && (
                <TextInput flex="2 1 160px" label="Model there" placeholder="the same name" {...field(`${path}.${at}.upstreamModel`)} />
              )}
              <NumberInput
                flex="0 1 132px"
                label={weighs ? `Weight (${Math.round(((row.weight || 1) / total) * 100)} %)` : "Weight"}
                placeholder="1"
                min={1}
                max={65_535}
                allowDecimal={false}
                {...field(`${path}.${at}.weight`)}
              />
              <Group gap={4} pb={4}>
                <ActionIcon variant="default" disabled={at === 0} aria-label={`Move ${row.upstream || label} up`} onClick={() => move(at, at - 1)}><IconArrowUp size={14} /></ActionIcon>
                <ActionIcon variant="default" disabled={at === rows.length - 1} aria-label={`Move ${row.upstream || label} down`} onClick={() => move(at, at + 1)}><IconArrowDown size={14} /></ActionIcon>
                <ActionIcon variant="default" aria-label={`Remove ${row.upstream || label}`} onClick={() => onChange(rows.toSpliced(at, 1))}><IconTrash size={14} /></ActionIcon>
              </Group>
            </Group>
          </Paper>
        ))}
        <Group justify="space-between">
          <Button variant="default" size="xs" onClick={add}>Add {label.toLowerCase()}</Button>
          {!weighs && rows.some((it) => it.weight !== "" && it.weight !== 1) && (
            <Text size="xs" c="dimmed">This strategy does not look at weights.</Text>
          )}
        </Group>
      </Stack>
    </Box>
  );
}
