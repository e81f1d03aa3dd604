import type { TrafficPolicy } from "@tollkeeper/client/v1/traffic";
import { writeDuration } from "../format/durations";
import { type Fact, Facts } from "../ui/Facts";
import { strategyOf } from "./policy";

/** A policy, with the defaults that are in force where it sets nothing. */
export function PolicyFacts({ policy }: { policy: TrafficPolicy | undefined }) {
  const { retry, timeouts } = policy ?? {};
  const strategy = strategyOf(policy?.strategy);
  const facts: Fact[] = [
    { name: "Strategy", value: `${strategy.label}. ${strategy.meaning}` },
    {
      name: "Retries",
      value: retry
        ? `${retry.attempts ?? 2} after the first call, waits from ${retry.initial ? writeDuration(retry.initial) : "500 ms"} to ${retry.max ? writeDuration(retry.max) : "8 s"}, for ${retry.total ? writeDuration(retry.total) : "60 s"}; ${retry.budgetPercent ?? 20} % of requests at most${retry.onlySafe ? "; only what is safe to repeat" : ""}`
        : "at once, at up to two that were not tried yet",
    },
    {
      name: "Timeouts",
      value:
        [
          timeouts?.connect && `connect ${writeDuration(timeouts.connect)}`,
          timeouts?.request && `request ${writeDuration(timeouts.request)}`,
          timeouts?.idle && `idle ${writeDuration(timeouts.idle)}`,
        ]
          .filter((it) => it !== undefined)
          .join(", ") || "the upstream's",
    },
    { name: "Session header", value: policy?.sessionHeader || "none" },
    { name: "User agent", value: policy?.userAgent || "the caller's" },
    { name: "Keep-alive", value: policy?.keepAlive ? writeDuration(policy.keepAlive) : "60 s" },
  ];
  return <Facts facts={facts} />;
}
