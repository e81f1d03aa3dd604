import { Box, Group, Stack, Text } from "@mantine/core";
import type { UsageEvent } from "@tollkeeper/client/v1/usage_service";
import { formatMicroseconds } from "../../../shared/format/numbers";
import { NameLink } from "../../../shared/ui/NameLink";
import { StateBadge, type Tone } from "../../../shared/ui/StateBadge";
import { attemptOutcome, attemptTone } from "../../../shared/usage/CallParts";
import { ERRORS } from "../../../shared/usage/words";
import { type Step, stepsOf } from "../steps";

const COLORS: Record<Tone, string> = { good: "green", warning: "yellow", bad: "red", neutral: "gray", busy: "blue" };

/** The calls of upstreams and what came after them, each with its time, on one scale. */
export function Attempts({ event }: { event: UsageEvent }) {
  if (event.attempts.length === 0)
    return <Text size="sm">No upstream was asked.</Text>;
  const total = Math.max(Number(event.durationMicroseconds), 1);
  return (
    <Stack gap="sm" component="ol" m={0} p={0} style={{ listStyle: "none" }}>
      {stepsOf(event).map((step, index) => {
        const tone = step.attempt ? attemptTone(step.attempt) : "busy";
        return (
          <Box component="li" key={index}>
            <Group justify="space-between" gap="xs" wrap="nowrap" align="start">
              <Group gap="xs">
                {step.attempt ? (
                  <>
                    <Text span size="sm" c="dimmed">{index + 1}.</Text>
                    <NameLink kind="upstream" name={step.attempt.upstream} />
                    <StateBadge tone={tone}>{attemptOutcome(step.attempt)}</StateBadge>
                  </>
                ) : (
                  <Text span size="sm">The answer, from its first byte to its end</Text>
                )}
              </Group>
              <Text span size="sm" className="tk-figures" style={{ whiteSpace: "nowrap" }}>{lengthOf(step)}</Text>
            </Group>
            <Box h={8} mt={4} pos="relative" bg="var(--mantine-color-default-hover)" style={{ borderRadius: 4, overflow: "hidden" }} aria-hidden>
              <Box
                pos="absolute"
                h="100%"
                bg={`${COLORS[tone]}.6`}
                left={`${(step.start / total) * 100}%`}
                w={`max(2px, ${(step.length / total) * 100}%)`}
              />
            </Box>
            {step.attempt && step.attempt.errorCode !== "" && <Text size="xs" c="dimmed" mt={2}>{ERRORS[step.attempt.errorCode]}</Text>}
          </Box>
        );
      })}
      <Group justify="space-between" component="li">
        <Text size="xs" c="dimmed">0</Text>
        <Text size="xs" c="dimmed">{formatMicroseconds(total)}</Text>
      </Group>
    </Stack>
  );
}

/** The time of a step. That of an attempt is known in whole milliseconds. */
function lengthOf({ attempt, length }: Step): string {
  return attempt && length < 1_000 ? "under 1 ms" : formatMicroseconds(length);
}
