import type { UsageAttempt, UsageEvent } from "@tollkeeper/client/v1/usage_service";

/** A part of a call, in microseconds since it came. */
export interface Step {
  /** The call of an upstream; undefined for the answer's way to the caller. */
  attempt: UsageAttempt | undefined;
  start: number;
  length: number;
}

const MICROS = 1000;

/**
 * Return the parts of a call, one after the other. Attempts are known to the millisecond. Where it is not known when one
 * began, it stands behind the one before, and the last of an answer ends with the first byte.
 */
export function stepsOf({ attempts, firstByteMicroseconds, durationMicroseconds }: UsageEvent): Step[] {
  const total = Number(durationMicroseconds);
  const firstByte = Number(firstByteMicroseconds);
  let at = 0;
  const steps: Step[] = attempts.map((attempt, index) => {
    const length = Math.min(Number(attempt.milliseconds) * MICROS, total);
    const isAnswer = index === attempts.length - 1 && attempt.status > 0 && firstByte > 0;
    const guess = isAnswer ? Math.max(at, firstByte - length) : at;
    const start = attempt.afterMilliseconds === undefined ? guess : Number(attempt.afterMilliseconds) * MICROS;
    at = start + length;
    return { attempt, start: Math.max(Math.min(start, total - length), 0), length };
  });
  if (firstByte > 0 && firstByte < total) steps.push({ attempt: undefined, start: firstByte, length: total - firstByte });
  return steps;
}
