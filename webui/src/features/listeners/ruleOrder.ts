import type { Rule } from "@tollkeeper/client/v1/listener_service";

type Condition = Pick<Rule, "path" | "header">;

/**
 * Return the indices of rules in the order in which the gateway looks at them: the first of those that match applies.
 *
 * Rules with a path come before rules without. Of paths, the more specific comes first. Then rules with a header come before
 * rules without, then the earlier one. The gateway refuses a rule whose path can't be read.
 */
export function ruleOrder(rules: readonly Condition[]): number[] {
  const keys = rules.map((rule) => [rule.path === "" ? 1 : 0, ...pathOrder(rule.path), rule.header === "" ? 1 : 0]);
  return rules.map((_, index) => index).sort((one, other) => compare(keys[one] ?? [], keys[other] ?? []) || one - other);
}

/** The more specific of two paths has the smaller key. */
function pathOrder(path: string): number[] {
  const parts = path === "" || path === "/" ? [] : path.slice(1).replace(/\/$/, "").split("/");
  const hasRest = parts.at(-1) === "*";
  if (hasRest) parts.pop();
  const named = parts.filter((it) => it.startsWith(":")).length;
  const constrained = parts.filter((it) => it.startsWith("{")).length;
  const fixed = parts.filter((it) => it !== "*" && !it.startsWith(":") && !it.startsWith("{"));
  const isStatic = !hasRest && fixed.length === parts.length;
  const letters = fixed.reduce((sum, it) => sum + [...plain(it)].length, 0);
  return [isStatic ? 0 : 1, -fixed.length, -constrained, -named, -parts.length - (hasRest ? 1 : 0), -letters];
}

function plain(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function compare(one: readonly number[], other: readonly number[]): number {
  for (let at = 0; at < one.length; at++) {
    const difference = (one[at] ?? 0) - (other[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
