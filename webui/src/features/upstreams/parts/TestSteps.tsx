import { Alert, Group, List, Loader, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconCheck, IconMinus, IconX } from "@tabler/icons-react";
import { type TestUpstreamResponse, type UpstreamTestResult, UpstreamTestOutcome, UpstreamTestStep } from "@tollkeeper/client/v1/upstream_service";
import { formatDuration } from "../../../shared/format/durations";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { intoView } from "../../../shared/ui/intoView";

const STEPS: Record<UpstreamTestStep, string> = {
  [UpstreamTestStep.UNSPECIFIED]: "Step",
  [UpstreamTestStep.DNS]: "Name",
  [UpstreamTestStep.CONNECT]: "Connect",
  [UpstreamTestStep.PROXY]: "Proxy",
  [UpstreamTestStep.TLS]: "TLS",
  [UpstreamTestStep.CREDENTIALS]: "Credentials",
  [UpstreamTestStep.MODELS]: "Models",
};

const OUTCOMES = {
  [UpstreamTestOutcome.UNSPECIFIED]: { word: "not known", color: "gray", Icon: IconMinus },
  [UpstreamTestOutcome.PASSED]: { word: "passed", color: "green", Icon: IconCheck },
  [UpstreamTestOutcome.FAILED]: { word: "failed", color: "red", Icon: IconX },
  [UpstreamTestOutcome.SKIPPED]: { word: "skipped", color: "gray", Icon: IconMinus },
};

/** What a test of an upstream has found, step by step. */
export function TestSteps({ busy, error, result }: { busy: boolean; error: unknown; result: TestUpstreamResponse | undefined }) {
  if (busy) return <Group ref={intoView} gap="xs" role="status"><Loader size="xs" /><Text size="sm">Calling the upstream…</Text></Group>;
  if (error) return <div ref={intoView}><ErrorState title="The upstream can't be tested" error={error} /></div>;
  if (!result) return null;
  return (
    <Alert ref={intoView} color={result.passed ? "green" : "red"} role="status" styles={{ title: { color: "var(--mantine-color-text)" } }} title={result.passed ? "The test passed" : "The test failed"}>
      <List listStyleType="none" spacing="xs" aria-label="Steps of the test">
        {result.steps.map((it) => <Step key={it.step} result={it} />)}
      </List>
    </Alert>
  );
}

function Step({ result: { step, outcome, duration, detail, remedy } }: { result: UpstreamTestResult }) {
  const { word, color, Icon } = OUTCOMES[outcome];
  const ran = outcome !== UpstreamTestOutcome.SKIPPED;
  return (
    <List.Item icon={<ThemeIcon size="sm" radius="xl" color={color} variant="filled"><Icon size={12} aria-hidden /></ThemeIcon>}>
      <Stack gap={0}>
        <Text size="sm" {...(ran ? {} : { c: "dimmed" })}>
          <b>{STEPS[step]}</b> {word}{ran ? duration && ` in ${formatDuration(duration)}` : detail && `: ${detail}`}
        </Text>
        {ran && detail && <Text size="sm" style={{ overflowWrap: "anywhere" }}>{detail}</Text>}
        {remedy && <Text size="sm" fw={500}>{remedy}</Text>}
      </Stack>
    </List.Item>
  );
}
