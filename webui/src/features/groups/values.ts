import type { Group } from "@tollkeeper/client/v1/group_service";
import { type PolicyValues, policyProblems, policyWords, readPolicy, strategyOf, writePolicy } from "../../shared/traffic/policy";
import { NO_TARGET, type Target } from "../../shared/traffic/targets";

/** A group as a form has it. */
export type GroupValues = { name: string; members: Target[]; policy: PolicyValues };

export const readGroup = (stored: Group | undefined): GroupValues => ({
  name: stored?.name ?? "",
  members: stored
    ? stored.members.map(({ upstream, weight }) => ({ upstream, weight: weight ?? "", upstreamModel: "" }))
    : [NO_TARGET],
  policy: readPolicy(stored?.policy),
});

export const writeGroup = ({ name, members, policy }: GroupValues) => ({
  name,
  members: members.map(({ upstream, weight }) => ({ upstream, ...(weight === "" ? {} : { weight: Number(weight) }) })),
  policy: writePolicy(policy),
});

export const groupProblems = ({ members, policy }: GroupValues): Record<string, string | undefined> => ({
  ...policyProblems(policy),
  ...Object.fromEntries(members.map(({ upstream }, at) => [`members.${at}.upstream`, upstream === "" ? "choose one, or remove this member" : undefined])),
});

/** Tell a field of a group in a conflict. */
export function tellGroup(field: keyof GroupValues, values: GroupValues): string {
  if (field === "members") return values.members.map(({ upstream, weight }) => `${upstream} (${weight || 1})`).join(", ") || "none";
  if (field === "policy") return `${strategyOf(values.policy.strategy).label}; ${policyWords(values.policy)}`;
  return values.name;
}
