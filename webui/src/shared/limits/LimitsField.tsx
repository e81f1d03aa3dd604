import { ActionIcon, Alert, Autocomplete, Box, Button, Group, Input, Paper, Select, SimpleGrid, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconTrash } from "@tabler/icons-react";
import { LimitMeasure } from "@tollkeeper/client/v1/limit";
import { useRef } from "react";
import type { FieldOf } from "../forms/useEdit";
import { canClamp, hasZone, kindOf, type LimitRow, measureOf, MOST_LIMITS, NEW_LIMIT } from "./rows";
import { MEASURES, PERIODS, USUAL_ZONE } from "./words";

export interface LimitsFieldProps {
  /** What they are limits of, in a sentence. */
  description: string;
  rows: readonly LimitRow[];
  field: FieldOf;
  onChange: (rows: LimitRow[]) => void;
}

// Money first: most that come here want a budget.
const MEASURE_ORDER = [
  LimitMeasure.MONEY,
  LimitMeasure.TOKENS,
  LimitMeasure.REQUESTS,
  LimitMeasure.REQUESTS_PER_MINUTE,
  LimitMeasure.TOKENS_PER_MINUTE,
  LimitMeasure.CONCURRENT_REQUESTS,
];
const MEASURE_CHOICES = MEASURE_ORDER.map((it) => ({ value: String(it), label: MEASURES[it]?.label ?? String(it) }));
const PERIOD_CHOICES = Object.entries(PERIODS).map(([value, { label }]) => ({ value, label }));
const SHORT_CHOICES = [{ value: "false", label: "Refuse" }, { value: "true", label: "Make answers shorter" }];
const UNPRICED_CHOICES = [{ value: "false", label: "Refuse" }, { value: "true", label: "Allow, for nothing" }];
const ZONES = Intl.supportedValuesOf("timeZone");
const MOST_ZONES = 8;

/** The limits of a thing: added and removed by buttons. Money is typed in dollars. */
export function LimitsField({ description, rows, field, onChange }: LimitsFieldProps) {
  const box = useRef<HTMLDivElement>(null);
  const error = field("limits").error;
  const focus = (selector: string) =>
    // The row is there, or gone, after the next paint.
    requestAnimationFrame(() => box.current?.querySelector<HTMLElement>(selector)?.focus());
  const add = () => {
    onChange([...rows, NEW_LIMIT]);
    focus(`[data-path="limits.${rows.length}.amount"]`);
  };
  const remove = (at: number) => {
    onChange(rows.toSpliced(at, 1));
    focus("[data-add-limit]");
  };
  return (
    <Box ref={box} role="group" aria-label="Limits">
      <Input.Label labelElement="div">Limits</Input.Label>
      <Text size="xs" c="dimmed" mb={4}>{description} A limit whose amount is changed goes on with what was used.</Text>
      <Stack gap="xs">
        {error && <Alert color="red" p="xs" role="alert" tabIndex={-1} data-path="limits">{error}</Alert>}
        {rows.map((row, at) => (
          <Paper key={at} withBorder p="xs" role="group" aria-label={`Limit ${at + 1}`}>
            <Stack gap="xs">
              <Group justify="space-between">
                <Text size="sm" fw={500}>{`Limit ${at + 1}`}</Text>
                <ActionIcon variant="default" aria-label={`Remove limit ${at + 1}`} onClick={() => remove(at)}><IconTrash size={14} /></ActionIcon>
              </Group>
              <LimitInputs row={row} path={`limits.${at}`} field={field} onChange={(change) => onChange(rows.with(at, { ...row, ...change }))} />
            </Stack>
          </Paper>
        ))}
        <Button
          variant="default"
          size="xs"
          leftSection={<IconPlus size={14} />}
          style={{ alignSelf: "start" }}
          disabled={rows.length >= MOST_LIMITS}
          data-add-limit
          onClick={add}
        >
          Add a limit
        </Button>
      </Stack>
    </Box>
  );
}

interface InputsProps {
  row: LimitRow;
  path: string;
  field: FieldOf;
  onChange: (change: Partial<LimitRow>) => void;
}

function LimitInputs({ row, path, field, onChange }: InputsProps) {
  const kind = kindOf(row);
  const isMoney = measureOf(row) === LimitMeasure.MONEY;
  const choice = (name: keyof LimitRow, label: string, data: { value: string; label: string }[], chosen: (value: string) => Partial<LimitRow>) => (
    <Select label={label} allowDeselect={false} data={data} {...field(`${path}.${name}`)} value={String(row[name])} onChange={(it) => it && onChange(chosen(it))} />
  );
  const text = { autoComplete: "off", inputMode: isMoney ? "decimal" : "numeric" } as const;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
      {choice("measure", "Measure", MEASURE_CHOICES, (measure) => ({ measure }))}
      <TextInput
        label={MEASURES[measureOf(row)]?.amount ?? "Amount"}
        required
        leftSection={isMoney ? "$" : undefined}
        placeholder={isMoney ? "25.00" : "60"}
        {...text}
        {...field(`${path}.amount`)}
      />
      {kind === "rate" && <TextInput label="Burst" placeholder="as many as a minute" {...text} {...field(`${path}.burst`)} />}
      {kind === "budget" && choice("period", "Period", PERIOD_CHOICES, (period) => ({ period }))}
      {hasZone(row) && <Autocomplete label="Time zone" placeholder={USUAL_ZONE} data={ZONES} limit={MOST_ZONES} spellCheck={false} {...field(`${path}.zone`)} />}
      {canClamp(row) && choice("clamp", "If too little is left", SHORT_CHOICES, (it) => ({ clamp: it === "true" }))}
      {isMoney && choice("allowUnpriced", "Models without a price", UNPRICED_CHOICES, (it) => ({ allowUnpriced: it === "true" }))}
    </SimpleGrid>
  );
}
