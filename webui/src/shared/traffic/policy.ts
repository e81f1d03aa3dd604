import type { MessageInitShape } from "@bufbuild/protobuf";
import { Strategy, type TrafficPolicy, type TrafficPolicySchema } from "@tollkeeper/client/v1/traffic";
import { durationProblem, readDuration, writeDuration } from "../format/durations";

export const STRATEGIES: readonly { value: Strategy; label: string; meaning: string; weighs: boolean }[] = [
  { value: Strategy.ROUND_ROBIN, label: "Round robin", meaning: "Each in turn.", weighs: false },
  { value: Strategy.WEIGHTED_ROUND_ROBIN, label: "Weighted round robin", meaning: "In proportion to the weights, spread evenly.", weighs: true },
  { value: Strategy.RANDOM, label: "Random", meaning: "At random, in proportion to the weights.", weighs: true },
  { value: Strategy.RESPONSE_AWARE, label: "Response aware", meaning: "The one that answers fastest and fails least.", weighs: false },
  { value: Strategy.FAILOVER, label: "Failover", meaning: "The first that is available, in their order.", weighs: false },
];

export const strategyOf = (value: Strategy | undefined) =>
  STRATEGIES.find((it) => it.value === (value || Strategy.ROUND_ROBIN)) ?? { label: "Round robin", meaning: "", weighs: false };

/** A policy as a form has it: durations as they are written, and "" for numbers that are not set. */
export type PolicyValues = {
  strategy: Strategy;
  userAgent: string;
  keepAlive: string;
  timeouts: { connect: string; request: string; idle: string };
  retry: {
    isSet: boolean;
    attempts: number | "";
    initial: string;
    max: string;
    total: string;
    onlySafe: boolean;
    budgetPercent: number | "";
  };
  sessionHeader: string;
};

export function readPolicy(policy: TrafficPolicy | undefined): PolicyValues {
  const { retry, timeouts } = policy ?? {};
  return {
    strategy: policy?.strategy || Strategy.ROUND_ROBIN,
    userAgent: policy?.userAgent ?? "",
    keepAlive: writeDuration(policy?.keepAlive),
    timeouts: { connect: writeDuration(timeouts?.connect), request: writeDuration(timeouts?.request), idle: writeDuration(timeouts?.idle) },
    retry: {
      isSet: retry !== undefined,
      attempts: retry?.attempts ?? "",
      initial: writeDuration(retry?.initial),
      max: writeDuration(retry?.max),
      total: writeDuration(retry?.total),
      onlySafe: retry?.onlySafe ?? false,
      budgetPercent: retry?.budgetPercent ?? "",
    },
    sessionHeader: policy?.sessionHeader ?? "",
  };
}

/** Return `fields` without what is not set, as messages are made. */
export const present = <Fields extends object>(fields: Fields): { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [Key in keyof Fields]?: Exclude<Fields[Key], undefined> };

export const numberOf = (value: number | "" | string): number | undefined => (value === "" ? undefined : Number(value));

export function writePolicy(values: PolicyValues): MessageInitShape<typeof TrafficPolicySchema> {
  const { timeouts, retry } = values;
  const limits = present({
    connect: readDuration(timeouts.connect),
    request: readDuration(timeouts.request),
    idle: readDuration(timeouts.idle),
  });
  return {
    strategy: values.strategy,
    userAgent: values.userAgent,
    sessionHeader: values.sessionHeader,
    ...present({ keepAlive: readDuration(values.keepAlive) }),
    ...(Object.keys(limits).length > 0 ? { timeouts: limits } : {}),
    ...(retry.isSet
      ? {
          retry: {
            onlySafe: retry.onlySafe,
            ...present({
              attempts: numberOf(retry.attempts),
              initial: readDuration(retry.initial),
              max: readDuration(retry.max),
              total: readDuration(retry.total),
              budgetPercent: numberOf(retry.budgetPercent),
            }),
          },
        }
      : {}),
  };
}

/** What is wrong with the durations of a policy, by path below `policy`. */
export const policyProblems = ({ keepAlive, timeouts, retry }: PolicyValues): Record<string, string | undefined> => ({
  "policy.keepAlive": durationProblem(keepAlive),
  "policy.timeouts.connect": durationProblem(timeouts.connect),
  "policy.timeouts.request": durationProblem(timeouts.request),
  "policy.timeouts.idle": durationProblem(timeouts.idle),
  "policy.retry.initial": durationProblem(retry.initial),
  "policy.retry.max": durationProblem(retry.max),
  "policy.retry.total": durationProblem(retry.total),
});

/** Say what a policy sets beyond its strategy, in a few words. */
export function policyWords(values: PolicyValues): string {
  const { timeouts, retry } = values;
  const words = [
    retry.isSet ? `${retry.attempts === "" ? 2 : retry.attempts} retries with waits` : "",
    Object.values(timeouts).some((it) => it !== "") ? "timeouts" : "",
    values.sessionHeader && `pinned by ${values.sessionHeader}`,
    values.userAgent && "user agent",
    values.keepAlive && "keep-alive",
  ].filter((it) => it !== "");
  return words.join(", ") || "the defaults";
}
