import { type Limit, LimitMeasure, LimitPeriod } from "@tollkeeper/client/v1/limit";
import { writeDollars } from "../format/dollars";
import { formatCount } from "../format/numbers";

/** What a limit of a measure has beside its amount: a rate a burst, a budget a period. */
export type LimitKind = "rate" | "atOnce" | "budget";

interface MeasureWords {
  kind: LimitKind;
  /** What it is, where one is chosen. */
  label: string;
  /** What the amount is a number of. */
  amount: string;
  /** One of them, as "request" is; money has none. */
  one?: string;
}

export const MEASURES: Partial<Record<LimitMeasure, MeasureWords>> = {
  [LimitMeasure.MONEY]: { kind: "budget", label: "Budget of money", amount: "Dollars" },
  [LimitMeasure.TOKENS]: { kind: "budget", label: "Budget of tokens", amount: "Tokens", one: "token" },
  [LimitMeasure.REQUESTS]: { kind: "budget", label: "Budget of requests", amount: "Requests", one: "request" },
  [LimitMeasure.REQUESTS_PER_MINUTE]: { kind: "rate", label: "Requests a minute", amount: "Requests a minute", one: "request" },
  [LimitMeasure.TOKENS_PER_MINUTE]: { kind: "rate", label: "Tokens a minute", amount: "Tokens a minute", one: "token" },
  [LimitMeasure.CONCURRENT_REQUESTS]: { kind: "atOnce", label: "Requests at once", amount: "Requests at once", one: "request" },
};

interface PeriodWords {
  label: string;
  /** How often, as in "$25.00 a month". */
  often: string;
  /** Whether it is one of a calendar, so that it begins by the clocks of a zone. */
  hasZone: boolean;
}

export const PERIODS: Partial<Record<LimitPeriod, PeriodWords>> = {
  [LimitPeriod.HOUR]: { label: "Hour", often: "an hour", hasZone: false },
  [LimitPeriod.DAY]: { label: "Day", often: "a day", hasZone: true },
  [LimitPeriod.WEEK]: { label: "Week, from Monday", often: "a week", hasZone: true },
  [LimitPeriod.MONTH]: { label: "Month", often: "a month", hasZone: true },
  [LimitPeriod.TOTAL]: { label: "In total, once", often: "in total", hasZone: false },
};

/** The zone of limits that name none. */
export const USUAL_ZONE = "UTC";

/** An amount of a measure, as a number alone: "$25.00", or "1,000". */
export const amountOf = (measure: LimitMeasure, amount: bigint): string => (measure === LimitMeasure.MONEY ? `$${writeDollars(amount)}` : formatCount(amount));

function amountInWords(measure: LimitMeasure, amount: bigint): string {
  const much = amountOf(measure, amount);
  if (measure === LimitMeasure.MONEY) return much;
  const one = MEASURES[measure]?.one ?? "unit";
  return `${much} ${one}${amount === 1n ? "" : "s"}`;
}

/** Tell a limit: "60 requests a minute, burst 120", or "$25.00 a month, Europe/Berlin". */
export function limitInWords({ measure, amount, burst, period, zone, clamp, allowUnpriced }: Omit<Limit, "$typeName">): string {
  const much = amountInWords(measure, amount);
  switch (MEASURES[measure]?.kind) {
    case "rate":
      return `${much} a minute${burst > 0n ? `, burst ${formatCount(burst)}` : ""}`;
    case "atOnce":
      return `${much} at once`;
    default: {
      const of = period === undefined ? undefined : PERIODS[period];
      return `${much} ${of?.often ?? "of a period that this page does not know"}${of?.hasZone ? `, ${zone || USUAL_ZONE}` : ""}${clamp ? ", shorter answers" : ""}${allowUnpriced ? ", unpriced allowed" : ""}`;
    }
  }
}
