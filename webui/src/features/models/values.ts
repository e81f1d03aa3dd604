import type { Capability, FallbackCause, Model } from "@tollkeeper/client/v1/model_service";
import { limitProblems, type LimitRow, readLimits, tellLimits, writeLimits } from "../../shared/limits/rows";
import { type PolicyValues, policyProblems, policyWords, readPolicy, strategyOf, writePolicy } from "../../shared/traffic/policy";
import { NO_TARGET, type Target } from "../../shared/traffic/targets";
import { capabilityName, CAUSES } from "./capabilities";
import { keepPrices, keptPrices, priceProblem, type PriceValues, readPrices, writePrices } from "./prices";

/** A deployment, with prices of its own as long as it is where it was. */
type Deployed = Target & { priced?: { upstream: string; upstreamModel: string; prices: string[] } };

/** A model as a form has it. Numbers of enums are texts, as inputs have them. */
export type ModelValues = {
  name: string;
  aliases: string[];
  servedBy: "deployments" | "group";
  deployments: Deployed[];
  group: string;
  capabilities: string[];
  fallbacks: string[];
  fallbackOn: string[];
  price: PriceValues;
  limits: LimitRow[];
  isActive: boolean;
  policy: PolicyValues;
};

export function readModel(stored: Model | undefined): ModelValues {
  return {
    name: stored?.name ?? "",
    aliases: [...(stored?.aliases ?? [])],
    servedBy: stored?.group ? "group" : "deployments",
    deployments: stored
      ? stored.deployments.map(({ upstream, upstreamModel, weight, prices }) => ({
          upstream,
          upstreamModel,
          weight: weight ?? "",
          ...(prices.length > 0 ? { priced: { upstream, upstreamModel, prices: keepPrices(prices) } } : {}),
        }))
      : [NO_TARGET],
    group: stored?.group ?? "",
    capabilities: (stored?.capabilities ?? []).map(String),
    fallbacks: [...(stored?.fallbacks ?? [])],
    fallbackOn: (stored?.fallbackOn ?? []).map(String),
    price: readPrices(stored),
    limits: readLimits(stored?.limits),
    isActive: stored?.isActive ?? true,
    policy: readPolicy(stored?.policy),
  };
}

export function writeModel(values: ModelValues) {
  const { servedBy, deployments, price } = values;
  const isGroup = servedBy === "group";
  return {
    name: values.name,
    aliases: values.aliases,
    fallbacks: values.fallbacks,
    isActive: values.isActive,
    group: isGroup ? values.group : "",
    deployments: isGroup
      ? []
      : deployments.map(({ upstream, upstreamModel, weight, priced }) => ({
          upstream,
          upstreamModel,
          ...(weight === "" ? {} : { weight: Number(weight) }),
          ...(priced?.upstream === upstream && priced.upstreamModel === upstreamModel ? { prices: keptPrices(priced.prices) } : {}),
        })),
    capabilities: values.capabilities.map((it): Capability => Number(it)),
    fallbackOn: values.fallbackOn.map((it): FallbackCause => Number(it)),
    // A group has a policy of its own.
    ...(isGroup ? {} : { policy: writePolicy(values.policy) }),
    prices: writePrices(price),
    limits: writeLimits(values.limits),
  };
}

/** Return the update mask for the fields of the form that were changed. */
export function maskOf(values: ModelValues, changed: readonly string[]): string[] {
  const mask = new Set(changed.filter((it) => it !== "served_by").map((it) => (it === "price" ? "prices" : it)));
  const isMoved = changed.includes("served_by");
  if (values.servedBy === "group") {
    if (isMoved) mask.add("group");
    for (const it of ["deployments", "policy"]) mask.delete(it);
  } else {
    if (isMoved) for (const it of ["group", "deployments"]) mask.add(it);
    else mask.delete("group");
  }
  return [...mask];
}

export const modelProblems = ({ servedBy, deployments, group, price, limits, policy }: ModelValues): Record<string, string | undefined> => ({
  ...(servedBy === "group"
    ? { group: group === "" ? "choose one" : undefined }
    : {
        ...policyProblems(policy),
        ...Object.fromEntries(
          deployments.map(({ upstream }, at) => [`deployments.${at}.upstream`, upstream === "" ? "choose one, or remove this deployment" : undefined]),
        ),
      }),
  ...limitProblems(limits),
  ...(price.isSet && price.more.length === 0
    ? {
        "price.prompt": priceProblem(price.prompt, true),
        "price.completion": priceProblem(price.completion, true),
        "price.cached": priceProblem(price.cached, false),
      }
    : {}),
});

/** Tell a field of a model in a conflict. */
export function tellModel(field: keyof ModelValues, values: ModelValues): string {
  switch (field) {
    case "deployments":
      return values.deployments.map((it) => `${it.upstream}${it.upstreamModel && ` as ${it.upstreamModel}`} (${it.weight || 1})`).join(", ") || "none";
    case "capabilities":
      return values.capabilities.map((it) => capabilityName(Number(it))).join(", ") || "all";
    case "fallbackOn":
      return values.fallbackOn.map((it) => CAUSES.find(({ value }) => value === Number(it))?.label ?? it).join(", ") || "none";
    case "price":
      if (values.price.more.length > 0) return values.price.isSet ? `${values.price.more.length} with dates, tiers or more` : "none";
      return values.price.isSet ? `$${values.price.prompt}, $${values.price.completion}, cached ${values.price.cached ? `$${values.price.cached}` : "the same"}` : "none";
    case "limits":
      return tellLimits(values.limits);
    case "policy":
      return `${strategyOf(values.policy.strategy).label}; ${policyWords(values.policy)}`;
    case "aliases":
    case "fallbacks":
      return values[field].join(", ") || "none";
    case "isActive":
      return values.isActive ? "yes" : "no";
    default:
      return values[field] || "none";
  }
}
