import { Code, Group, Text } from "@mantine/core";
import type { UsageAttempt, UsageEvent } from "@tollkeeper/client/v1/usage_service";
import { Fragment } from "react";
import { formatMicroseconds } from "../format/numbers";
import { StateBadge, type Tone } from "../ui/StateBadge";
import { meaningOf } from "./words";

const toneOf = (status: number): Tone => (status < 400 ? "good" : status < 500 ? "warning" : "bad");

/** The model that a call asked for, and the one that served it where that is another. */
export function CallModels({ event: { modelAsked, modelServed } }: { event: UsageEvent }) {
  const name = modelServed || modelAsked;
  if (name === "") return <Text span c="dimmed" size="sm">none</Text>;
  return <Text span size="sm">{modelAsked !== "" && modelAsked !== name ? `${modelAsked} → ${name}` : name}</Text>;
}

/** The status of a call, and the gateway's error where it had one. */
export function CallStatus({ event }: { event: UsageEvent }) {
  return (
    <Group gap={4} component="span" display="inline-flex" title={meaningOf(event.status, event.errorCode, event.upstream)}>
      <StateBadge tone={toneOf(event.status)}>{String(event.status)}</StateBadge>
      {event.errorCode !== "" && <Code>{event.errorCode.split("_").map((it, at) => <Fragment key={at}>{at > 0 && <>_<wbr /></>}{it}</Fragment>)}</Code>}
    </Group>
  );
}

/** What came of a call of an upstream, in a word: its status, or why there is none. */
export const attemptOutcome = ({ status, errorCode }: UsageAttempt): string =>
  status > 0 ? String(status) : errorCode.replace(/^upstream_/, "").replaceAll("_", " ") || "given up";

export const attemptTone = ({ status, errorCode }: UsageAttempt): Tone => (status > 0 ? toneOf(status) : errorCode === "" ? "neutral" : "bad");

/** The upstreams that were asked, in their order, with what came of each. */
export function CallAttempts({ event: { attempts, upstream } }: { event: UsageEvent }) {
  // What came of a single one is the status of the call.
  if (attempts.length < 2) return upstream === "" ? <Text span c="dimmed" size="sm">none</Text> : <Text span size="sm">{upstream}</Text>;
  return (
    <Group gap={4} component="span" display="inline-flex">
      {attempts.map((it, index) => (
        <span key={index} title={`${it.upstream}: ${attemptOutcome(it)} after ${formatMicroseconds(it.milliseconds * 1000n)}`}>
          {index > 0 && <Text span size="sm" c="dimmed" aria-label="then">→ </Text>}
          <StateBadge tone={attemptTone(it)}>{`${it.upstream} ${attemptOutcome(it)}`}</StateBadge>
        </span>
      ))}
    </Group>
  );
}
