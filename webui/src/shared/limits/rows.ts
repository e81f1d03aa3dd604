import { create } from "@bufbuild/protobuf";
import { type Limit, LimitMeasure, LimitPeriod, LimitSchema } from "@tollkeeper/client/v1/limit";
import { readDollars, readWhole, writeDollars } from "../format/dollars";
import { formatCount } from "../format/numbers";
import { limitInWords, type LimitKind, MEASURES, PERIODS, USUAL_ZONE } from "./words";

/** A limit as a form has it. Numbers of enums are texts, as inputs have them. What its measure has none of is left out when it is stored. */
export type LimitRow = {
  measure: string;
  /** Dollars of money, else a whole number. */
  amount: string;
  /** Empty is the amount of a minute. */
  burst: string;
  period: string;
  /** Empty is UTC. */
  zone: string;
  clamp: boolean;
  allowUnpriced: boolean;
};

export const NEW_LIMIT: LimitRow = { measure: String(LimitMeasure.MONEY), amount: "", burst: "", period: String(LimitPeriod.MONTH), zone: "", clamp: false, allowUnpriced: false };

// The server's bounds of money. It tells them in billionths of a dollar, which nobody typed.
const LEAST_MONEY = 1_000_000n;
const MOST_MONEY = 2n ** 52n;

/** The most limits that a thing can have. */
export const MOST_LIMITS = 16;

export const measureOf = ({ measure }: LimitRow): LimitMeasure => Number(measure);
export const kindOf = (row: LimitRow): LimitKind | undefined => MEASURES[measureOf(row)]?.kind;
const periodOf = (row: LimitRow): LimitPeriod | undefined => (kindOf(row) === "budget" ? Number(row.period) : undefined);

const isMoney = (row: LimitRow): boolean => measureOf(row) === LimitMeasure.MONEY;
/** Return whether answers can be made shorter for the limit. */
export const canClamp = (row: LimitRow): boolean => isMoney(row) || measureOf(row) === LimitMeasure.TOKENS;

/** Return whether the limit starts again at zero by the clocks of a zone. */
export function hasZone(row: LimitRow): boolean {
  const period = periodOf(row);
  return period !== undefined && (PERIODS[period]?.hasZone ?? false);
}

const readAmount = (row: LimitRow): bigint | undefined => (isMoney(row) ? readDollars(row.amount) : readWhole(row.amount));

export const readLimits = (limits: readonly Limit[] | undefined): LimitRow[] =>
  (limits ?? []).map(({ measure, amount, burst, period, zone, clamp, allowUnpriced }) => ({
    measure: String(measure),
    amount: measure === LimitMeasure.MONEY ? writeDollars(amount) : formatCount(amount),
    burst: burst === 0n ? "" : formatCount(burst),
    period: period === undefined ? NEW_LIMIT.period : String(period),
    zone: zone ?? "",
    clamp,
    allowUnpriced,
  }));

function writeLimit(row: LimitRow): Limit {
  const period = periodOf(row);
  const zone = row.zone.trim();
  return create(LimitSchema, {
    measure: measureOf(row),
    amount: readAmount(row) ?? 0n,
    burst: kindOf(row) === "rate" ? (readWhole(row.burst) ?? 0n) : 0n,
    clamp: canClamp(row) && row.clamp,
    allowUnpriced: isMoney(row) && row.allowUnpriced,
    ...(period === undefined ? {} : { period }),
    ...(hasZone(row) && zone !== "" ? { zone } : {}),
  });
}

/** Return the limits that the rows say. Texts that `limitProblems` does not find fault with are numbers. */
export const writeLimits = (rows: readonly LimitRow[]): Limit[] => rows.map(writeLimit);

function amountProblem(row: LimitRow): string | undefined {
  const amount = readAmount(row);
  if (amount === undefined) return isMoney(row) ? "give dollars, such as 25 or 1,000.50, with up to nine decimals" : "give a whole number, such as 60 or 1,000,000";
  if (isMoney(row) && (amount < LEAST_MONEY || amount > MOST_MONEY)) return `must be between $${writeDollars(LEAST_MONEY)} and $${writeDollars(MOST_MONEY)}`;
  return amount === 0n ? "must be more than 0; without this limit there is none" : undefined;
}

const countsOf = (row: LimitRow): string => [row.measure, periodOf(row) ?? "", hasZone(row) ? row.zone.trim() || USUAL_ZONE : ""].join(" ");

/** Return what is wrong with the rows, by path: texts that are no amounts, and limits of the same. The rest is known to the server. */
export function limitProblems(rows: readonly LimitRow[]): Record<string, string | undefined> {
  const problems: Record<string, string | undefined> = {};
  const first = new Map<string, number>();
  rows.forEach((row, at) => {
    problems[`limits.${at}.amount`] = amountProblem(row);
    if (kindOf(row) === "rate" && row.burst.trim() !== "" && readWhole(row.burst) === undefined)
      problems[`limits.${at}.burst`] = "give a whole number, or nothing for the amount of a minute";
    const same = first.get(countsOf(row));
    if (same === undefined) first.set(countsOf(row), at);
    else problems[`limits.${at}.measure`] = `counts the same as limit ${same + 1}; remove one, or change its measure, period or zone`;
  });
  return problems;
}

/** Tell limits where two versions stand beside each other; what is no amount yet, as it was typed. */
export const tellLimits = (rows: readonly LimitRow[]): string =>
  rows.map((it) => (amountProblem(it) === undefined ? limitInWords(writeLimit(it)) : `${MEASURES[measureOf(it)]?.label ?? "Limit"}: ${it.amount || "(empty)"}`)).join("; ") || "none";
