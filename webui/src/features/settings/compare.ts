import { create } from "@bufbuild/protobuf";
import { LimitMeasure, LimitPeriod, LimitSchema } from "@tollkeeper/client/v1/limit";
import { readDollars } from "../../shared/format/dollars";
import { limitInWords } from "../../shared/limits/words";
import type { Change } from "../../shared/url/search";
import type { SettingsSearch } from "./search";

type Choice = Pick<SettingsSearch, "pick" | "from" | "to">;

export const chosenOf = ({ pick, from, to }: Choice): number[] => [pick, from, to].filter((it) => it !== undefined);

/** Return what becomes of the address when a revision is chosen, or is chosen no longer: two of them are compared. */
export function toggled(search: Choice, revision: number): Change<Choice> {
  const chosen = chosenOf(search);
  if (chosen.includes(revision)) {
    const rest = chosen.find((it) => it !== revision);
    return { pick: rest, from: undefined, to: undefined };
  }
  const [other] = chosen;
  if (chosen.length !== 1 || other === undefined) return { pick: revision, from: undefined, to: undefined };
  return { pick: undefined, from: Math.min(other, revision), to: Math.max(other, revision) };
}

/** Return a value of a field as people read it: a text without quotes, anything else as JSON. */
export function readable(json: string): string {
  if (json === "") return "";
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "string" ? value : typeof value === "object" && value !== null ? JSON.stringify(value, undefined, 2) : String(value);
  } catch {
    return json;
  }
}

interface LimitAsJson {
  measure?: string;
  amount?: number | string;
  /** In place of the amount of money. */
  dollars?: number | string;
  burst?: number | string;
  period?: string;
  zone?: string;
  clamp?: boolean;
  allow_unpriced?: boolean;
}

const numberOf = <Numbers extends object>(numbers: Numbers, word: string | undefined): Numbers[keyof Numbers] | undefined =>
  word === undefined ? undefined : (numbers as Record<string, Numbers[keyof Numbers]>)[word.toUpperCase()];

/** Return in words the limits that a field's value is; undefined if it is none that this page knows. */
export function limitsOf(json: string): string[] | undefined {
  try {
    const limits = JSON.parse(json) as LimitAsJson[];
    return limits.map(({ measure, amount = 0, dollars, burst = 0, period, zone, clamp = false, allow_unpriced: allowUnpriced = false }) => {
      const known = numberOf(LimitMeasure, measure) as LimitMeasure | undefined;
      const every = numberOf(LimitPeriod, period) as LimitPeriod | undefined;
      if (known === undefined || (period !== undefined && every === undefined)) throw new TypeError("a limit of a later release");
      const much = dollars === undefined ? BigInt(amount) : (readDollars(String(dollars)) ?? 0n);
      return limitInWords(
        create(LimitSchema, { measure: known, amount: much, burst: BigInt(burst), clamp, allowUnpriced, ...(every === undefined ? {} : { period: every }), ...(zone === undefined ? {} : { zone }) }),
      );
    });
  } catch {
    return undefined;
  }
}
