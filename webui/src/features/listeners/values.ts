import type { Listener, Rule } from "@tollkeeper/client/v1/listener_service";
import { durationProblem, readDuration, writeDuration } from "../../shared/format/durations";
import { limitProblems, type LimitRow, readLimits, tellLimits, writeLimits } from "../../shared/limits/rows";
import { numberOf, present } from "../../shared/traffic/policy";

/** How a rule looks at a header: at whether it is there, at its value, or at a pattern of it. */
export type Matching = "any" | "value" | "pattern";

export type RuleRow = { group: string; path: string; header: string; matching: Matching; value: string; pattern: string; stripPrefix: string };

/** A listener as a form has it. */
export type ListenerValues = {
  name: string;
  address: string;
  tls: boolean;
  isActive: boolean;
  defaultGroup: string;
  rules: RuleRow[];
  ipLimit: { isSet: boolean; perSecond: number | ""; burst: number | "" };
  limits: LimitRow[];
  headTimeout: string;
};

export const NO_RULE: RuleRow = { group: "", path: "", header: "", matching: "any", value: "", pattern: "", stripPrefix: "" };

const readRule = ({ group, path, header, value, pattern, stripPrefix }: Rule): RuleRow => ({
  group,
  path,
  header,
  matching: pattern !== "" ? "pattern" : value !== "" ? "value" : "any",
  value,
  pattern,
  stripPrefix,
});

export const readListener = (stored: Listener | undefined): ListenerValues => ({
  name: stored?.name ?? "",
  address: stored?.address ?? "",
  tls: stored?.tls ?? false,
  isActive: stored?.isActive ?? true,
  defaultGroup: stored?.defaultGroup ?? "",
  rules: (stored?.rules ?? []).map(readRule),
  ipLimit: { isSet: stored?.ipLimit !== undefined, perSecond: stored?.ipLimit?.perSecond ?? "", burst: stored?.ipLimit?.burst ?? "" },
  limits: readLimits(stored?.limits),
  headTimeout: writeDuration(stored?.headTimeout),
});

export function writeListener({ ipLimit, limits, headTimeout, rules, ...rest }: ListenerValues) {
  return {
    ...rest,
    rules: rules.map(({ matching, value, pattern, ...rule }) => ({
      ...rule,
      value: matching === "value" && rule.header !== "" ? value : "",
      pattern: matching === "pattern" && rule.header !== "" ? pattern : "",
    })),
    limits: writeLimits(limits),
    ...(ipLimit.isSet ? { ipLimit: present({ perSecond: numberOf(ipLimit.perSecond), burst: numberOf(ipLimit.burst) }) } : {}),
    ...present({ headTimeout: readDuration(headTimeout) }),
  };
}

export function listenerProblems({ rules, limits, headTimeout }: ListenerValues): Record<string, string | undefined> {
  const problems: Record<string, string | undefined> = { headTimeout: durationProblem(headTimeout), ...limitProblems(limits) };
  rules.forEach((rule, at) => {
    if (rule.path === "" && rule.header === "") problems[`rules.${at}.path`] = "give a path or a header, or remove this rule";
    if (rule.header !== "" && rule.matching !== "any" && rule[rule.matching] === "") problems[`rules.${at}.${rule.matching}`] = "is what the header is compared with";
    if (rule.group === "") problems[`rules.${at}.group`] = "choose a group, or remove this rule";
  });
  return problems;
}

/** Say when a rule applies, in words that are no sentence. */
export function conditionOf({ path, header, value, pattern }: Pick<Rule, "path" | "header" | "value" | "pattern">): string {
  const of = header === "" ? "" : `header ${header}${value !== "" ? `: ${value}` : pattern !== "" ? ` matches ${pattern}` : ""}`;
  return [path, of].filter((it) => it !== "").join(" with ");
}

/** Tell a field of a listener in a conflict. */
export function tellListener(field: keyof ListenerValues, values: ListenerValues): string {
  if (field === "rules")
    return writeListener(values).rules.map((it) => `${conditionOf(it)} → ${it.group}${it.stripPrefix && ` without ${it.stripPrefix}`}`).join("\n") || "none";
  if (field === "ipLimit")
    return values.ipLimit.isSet ? `${values.ipLimit.perSecond || 100} a second, ${values.ipLimit.burst || 200} at once` : "none";
  if (field === "limits") return tellLimits(values.limits);
  const value = values[field];
  return typeof value === "boolean" ? (value ? "yes" : "no") : value || "none";
}
