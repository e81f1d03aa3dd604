import { Alert, Code, Group, Paper, Stack, Text } from "@mantine/core";
import { formatCount, formatMicroseconds } from "../../../shared/format/numbers";
import type { Turn } from "../useChat";
import { Served } from "./Served";

const inMs = (ms: number): string => formatMicroseconds(Math.round(ms * 1000));

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

/** A question, and the answer as it came, with its figures. */
export function Exchange({ turn, running }: { turn: Turn; running: boolean }) {
  const { question, answer, refusal, problem, stopped } = turn;
  return (
    <Stack gap="xs">
      <Paper withBorder p="sm" ml={{ base: 0, sm: "xl" }} bg="var(--mantine-color-default-hover)">
        <Text size="xs" c="dimmed">You</Text>
        <Text style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{question}</Text>
      </Paper>
      <Paper withBorder p="sm" mr={{ base: 0, sm: "xl" }}>
        <Text size="xs" c="dimmed">{answer.model ?? "The model"}</Text>
        <Text data-testid="answer" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{answer.text}</Text>
        {running && answer.text === "" && <Text c="dimmed" size="sm">Waiting for the first token…</Text>}
        {stopped && <Text c="dimmed" size="sm">Stopped. What had come is kept.</Text>}
        {problem && <Alert color="red" role="alert" title="No answer came" mt="xs">{problem}</Alert>}
        {refusal && (
          <Alert color="red" role="alert" title={`The caller is answered ${refusal.status}`} mt="xs">
            <Code block tabIndex={0}>{pretty(refusal.body)}</Code>
          </Alert>
        )}
        <Group gap="md" mt="xs" className="tk-figures" fz="xs" c="dimmed">
          {answer.firstTokenMs !== undefined && <span>first token {inMs(answer.firstTokenMs)}</span>}
          {answer.totalMs !== undefined && <span>in all {inMs(answer.totalMs)}</span>}
          {answer.usage && <span>{formatCount(answer.usage.prompt)} + {formatCount(answer.usage.completion)} tokens</span>}
          {answer.finish && answer.finish !== "stop" && <span>ended by {answer.finish}</span>}
          <Served requestId={refusal?.requestId ?? answer.requestId} ended={!running} />
        </Group>
      </Paper>
    </Stack>
  );
}
