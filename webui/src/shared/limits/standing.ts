import type { Limit } from "@tollkeeper/client/v1/limit";
import type { LimitStanding } from "@tollkeeper/client/v1/limit_service";
import { amountOf, limitInWords, MEASURES } from "./words";

/** How near a limit is. */
export type Level = "free" | "near" | "nearer" | "gone";

/** The words that stand beside the colours; what is free needs none. */
export const LEVELS: Record<Level, { color: string; words?: string }> = {
  free: { color: "indigo" },
  near: { color: "yellow", words: "80 % reached" },
  nearer: { color: "orange", words: "95 % reached" },
  gone: { color: "red", words: "nothing left" },
};
const FIRST = 80;
const LAST = 95;

export function levelOf({ isKnown, left, thresholds }: LimitStanding): Level {
  if (!isKnown) return "free";
  if (left <= 0n) return "gone";
  if (thresholds.includes(LAST)) return "nearer";
  return thresholds.includes(FIRST) ? "near" : "free";
}

/** What is used, reserved and left: "$20.00 used, $1.00 reserved, $4.00 left". */
export function standingInWords({ isKnown, limit, used, reserved, left }: LimitStanding): string {
  if (!isKnown || limit === undefined) return "nobody knows at the moment what is used";
  const amount = (value: bigint) => amountOf(limit.measure, value);
  switch (MEASURES[limit.measure]?.kind) {
    case "rate":
      return `${amount(left)} may pass at once`;
    case "atOnce":
      return `${amount(reserved)} under way, ${amount(left)} left`;
    default:
      return `${amount(used)} used, ${reserved > 0n ? `${amount(reserved)} reserved, ` : ""}${amount(left)} left`;
  }
}

/** The percents of a bar that are used and reserved; what is taken of a rate is neither, and fills it as what is used. */
export function barOf({ isKnown, limit, used, reserved, share }: LimitStanding): { used: number; reserved: number } {
  if (!isKnown || limit === undefined) return { used: 0, reserved: 0 };
  if (MEASURES[limit.measure]?.kind === "rate") return { used: share * 100, reserved: 0 };
  const of = (part: bigint, most: number) => Math.min((Number(part) / Number(limit.amount)) * 100, most);
  const taken = of(used, 100);
  return { used: taken, reserved: of(reserved, 100 - taken) };
}

/** Return each limit with how it stands; one that was changed a moment ago may have no standing yet. */
export function withStandings(limits: readonly Limit[], standings: readonly LimitStanding[]): { limit: Limit; words: string; standing: LimitStanding | undefined }[] {
  const known = new Map(standings.flatMap((it) => (it.limit ? [[limitInWords(it.limit), it] as const] : [])));
  return limits.map((limit) => {
    const words = limitInWords(limit);
    return { limit, words, standing: known.get(words) };
  });
}
