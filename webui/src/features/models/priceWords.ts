import type { DatedPrice, PriceRates } from "@tollkeeper/client/v1/price";

const UNITS: Record<string, string> = {
  input: "in", cached: "cached", cacheWrite: "cache write", cacheWriteHour: "cache write, 1 h", output: "out", reasoning: "reasoning",
  audioInput: "sound in", audioOutput: "sound out", imageInput: "images in", audioMinute: "a minute", image: "an image",
  request: "a request", webSearch: "a search", fileSearch: "a search of files", page: "a page", annotatedPage: "an annotated page", character: "characters spoken",
};

/** Tell rates in few words; those of tokens and characters are of a million. */
export const ratesInWords = (rates: PriceRates | undefined): string =>
  Object.entries(rates ?? {})
    .filter(([unit, it]) => unit in UNITS && it !== undefined)
    .map(([unit, it]) => `$${it} ${UNITS[unit]}`)
    .join(", ");

/** Tell what a price says beside its rates: long prompts, and kinds of service. */
export function restInWords({ tiers, services }: DatedPrice): string[] {
  const long = tiers.map(({ above, rates }) => `prompts of more than ${above} tokens: ${ratesInWords(rates)}`);
  const kinds = services.map(({ tier, isBatch, speed, rates }) => `${[tier, isBatch ? "batch" : "", speed].filter(Boolean).join(" ")}: ${ratesInWords(rates)}`);
  return [...long, ...kinds];
}
