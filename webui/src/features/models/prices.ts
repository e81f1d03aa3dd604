import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import type { Model } from "@tollkeeper/client/v1/model_service";
import { type DatedPrice, DatedPriceSchema, type PriceRates } from "@tollkeeper/client/v1/price";

// A short form has nano-dollars a token; people write dollars a million tokens: 2.5 of these is 2500 of those.
const NANOS = 1_000;
// No model is as cheap for a million tokens: it is the price of one.
const LEAST = 0.0001;
const MOST = 10_000;

/** The price of a model as a form has it: one for all prompts and times, or prices that say more and stay as they are. */
export type PriceValues = {
  isSet: boolean;
  prompt: string;
  completion: string;
  cached: string;
  /** Prices with dates, tiers, kinds of service or other units, as JSON. */
  more: string[];
};

const NONE: PriceValues = { isSet: false, prompt: "", completion: "", cached: "", more: [] };

const write = (dollars: number | undefined): string => (dollars === undefined ? "" : String(dollars));

/** Return what a text says in dollars a million tokens; undefined if it is no price. */
export function readPrice(text: string): number | undefined {
  const dollars = /^\d{1,5}(\.\d{1,6})?$/.test(text.trim()) ? Number(text) : undefined;
  return dollars === undefined || dollars > MOST ? undefined : dollars;
}

/** Return what is wrong with a text where a price is asked for. */
export function priceProblem(text: string, required: boolean): string | undefined {
  if (text.trim() === "") return required ? "give dollars for a million tokens; 0 is free" : undefined;
  const dollars = readPrice(text);
  if (dollars === undefined) return "is no price: dollars up to 10,000, with up to six decimals";
  return dollars > 0 && dollars < LEAST ? "is the price of a single token; give that of a million" : undefined;
}

/** Return prices as a form keeps them that it does not show. */
export const keepPrices = (prices: readonly DatedPrice[]): string[] => prices.map((it) => toJsonString(DatedPriceSchema, it));

/** Return the prices that a form has kept. */
export const keptPrices = (kept: readonly string[]): DatedPrice[] => kept.map((it) => fromJsonString(DatedPriceSchema, it));

const FORMS_UNITS = new Set(["$typeName", "input", "output", "cached"]);
const isPlain = (rates: PriceRates): boolean =>
  rates.input !== undefined && rates.output !== undefined && Object.entries(rates).every(([unit, it]) => FORMS_UNITS.has(unit) || it === undefined);

/** Return the price of a stored model. */
export function readPrices(stored: Model | undefined): PriceValues {
  const { price, prices = [] } = stored ?? {};
  if (price) {
    const { prompt, completion, cached } = price;
    const inDollars = (nanos: bigint) => write(Number(nanos) / NANOS);
    return { ...NONE, isSet: true, prompt: inDollars(prompt), completion: inDollars(completion), cached: cached === undefined ? "" : inDollars(cached) };
  }
  const [first] = prices;
  if (!first) return NONE;
  const { startTime, hours, rates, tiers, services } = first;
  const isOne = prices.length === 1 && startTime === undefined && hours === "" && tiers.length === 0 && services.length === 0;
  if (!isOne || !rates || !isPlain(rates)) return { ...NONE, isSet: true, more: keepPrices(prices) };
  return { ...NONE, isSet: true, prompt: write(rates.input), completion: write(rates.output), cached: write(rates.cached) };
}

/** Return the prices that a form says. */
export function writePrices({ isSet, more, prompt, completion, cached }: PriceValues): DatedPrice[] {
  if (!isSet) return [];
  if (more.length > 0) return keptPrices(more);
  const rates = { input: readPrice(prompt) ?? 0, output: readPrice(completion) ?? 0 };
  const read = readPrice(cached);
  return [create(DatedPriceSchema, { rates: read === undefined ? rates : { ...rates, cached: read } })];
}
