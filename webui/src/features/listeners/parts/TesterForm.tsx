import { Button, Group, Paper, SimpleGrid, Stack, Switch, Textarea, TextInput } from "@mantine/core";
import { useEffect, useState } from "react";
import { listeners } from "../../../shared/pickers/listeners";
import { Fold } from "../../../shared/forms/Fold";
import { Select } from "../../../shared/ui/inputs";
import { NumberInput } from "../../../shared/ui/numberInput";
import { tokensOf } from "../../../shared/pickers/tokens";
import { ModelName } from "../../../shared/pickers/ModelName";
import { PickOne } from "../../../shared/pickers/Picker";
import { headersProblem, METHODS, readTester, type TesterSearch, type TesterValues, writeTester } from "../testerSearch";

const tokens = tokensOf(undefined);

interface Props {
  search: TesterSearch;
  busy: boolean;
  onAsk: (search: TesterSearch) => void;
}

/** The request that is asked about. */
export function TesterForm({ search, busy, onAsk }: Props) {
  const [values, setValues] = useState(() => readTester(search));
  const key = JSON.stringify(readTester(search));
  // Back and forward bring the request that the address has.
  useEffect(() => setValues(JSON.parse(key) as TesterValues), [key]);
  const put = (change: Partial<TesterValues>) => setValues((old) => ({ ...old, ...change }));
  const problem = headersProblem(values.headers);
  return (
    <Paper component="section" withBorder p="md" aria-label="Request">
      <form onSubmit={(event) => { event.preventDefault(); if (problem === undefined) onAsk(writeTester(values)); }}>
        <Stack gap="sm">
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <PickOne label="Listener" placeholder="the gateway's own port" {...listeners} value={values.listener || undefined} onChange={(it) => put({ listener: it ?? "" })} />
            <PickOne label="Token" placeholder="none" {...tokens} value={values.token || undefined} onChange={(it) => put({ token: it ?? "" })} />
          </SimpleGrid>
          <Group align="start" gap="sm">
            <Select label="Method" w={120} allowDeselect={false} data={METHODS} value={values.method} onChange={(it) => put({ method: it ?? "POST" })} />
            <TextInput label="Path" flex="1 1 220px" maxLength={512} spellCheck={false} value={values.path} onChange={(event) => put({ path: event.currentTarget.value })} />
          </Group>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            <ModelName label="Model" placeholder="none" description="As the body of the request names it." value={values.model} onChange={(model) => put({ model })} />
            <Textarea
              label="Headers"
              placeholder="x-team: billing"
              description="NAME: VALUE, one a line."
              autosize
              minRows={1}
              maxRows={6}
              spellCheck={false}
              error={problem}
              value={values.headers}
              onChange={(event) => put({ headers: event.currentTarget.value })}
            />
          </SimpleGrid>
          <Fold title="Its size, for limits" hint="how much it would reserve" opened={Boolean(search.prompt || search.output || search.calls)}>
            <SimpleGrid cols={{ base: 1, sm: 3 }}>
              <Size label="Prompt, in bytes" most={20_000_000} value={values.prompt} put={(prompt) => put({ prompt })} />
              <Size label="Answer's maximum, in tokens" most={100_000_000} value={values.output} put={(output) => put({ output })} />
              <Size label="Calls at once" most={1_000_000} value={values.calls} put={(calls) => put({ calls })} />
            </SimpleGrid>
          </Fold>
          <Group justify="space-between">
            <Switch label="Streamed" checked={values.streamed} onChange={(event) => put({ streamed: event.currentTarget.checked })} />
            <Button type="submit" loading={busy}>Explain</Button>
          </Group>
        </Stack>
      </form>
    </Paper>
  );
}

interface SizeProps {
  label: string;
  most: number;
  /** 0 is none. */
  value: number;
  put: (value: number) => void;
}

function Size({ label, most, value, put }: SizeProps) {
  return <NumberInput label={label} placeholder="not said" min={1} max={most} allowDecimal={false} allowNegative={false} thousandSeparator="," value={value || ""} onChange={(it) => put(Number(it) || 0)} />;
}
