import { readDuration, toMicroseconds } from "../../shared/format/durations";
import type { UpstreamValues } from "./values";

/** What holds where nothing is set, as proto says. */
export const USUAL = {
  timeouts: { connect: "10 s", firstByte: "10 min", idle: "5 min", total: "1 h" },
  breaker: { threshold: 0.5, cooldown: "30 s", window: "30 s", minCalls: 10 },
} satisfies Pick<UpstreamValues, "timeouts" | "breaker">;

const plain = (value: string | number) => {
  const duration = typeof value === "string" ? readDuration(value) : undefined;
  return duration ? toMicroseconds(duration) : value;
};

/** How many of the values are others than what is usual: the gateway tells that, too, where nothing is set. */
export const countSet = (values: Record<string, string | number>, usual: Record<string, string | number>): number =>
  Object.entries(values).filter(([name, value]) => value !== "" && plain(value) !== plain(usual[name] ?? "")).length;
