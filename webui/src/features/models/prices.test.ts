import { create } from "@bufbuild/protobuf";
import { ModelSchema } from "@tollkeeper/client/v1/model_service";
import { expect, it } from "vitest";
import { priceProblem, readPrice, readPrices, writePrices } from "./prices";
import { ratesInWords, restInWords } from "./priceWords";

const flat = create(ModelSchema, { prices: [{ rates: { input: 2.5, cached: 0.0028, output: 10 } }] });
const rich = create(ModelSchema, {
  prices: [
    { rates: { input: 2.5, output: 10 }, tiers: [{ above: 200_000n, rates: { input: 5 } }], services: [{ tier: "flex", rates: { input: 1.25 } }] },
    { startTime: { seconds: 1_800_000_000n }, hours: "16:30-00:30", rates: { input: 2, request: 0.001 } },
  ],
});

it.each([["0", 0], ["2.5", 2.5], ["0.15", 0.15], ["0.0028", 0.0028], ["10000", 10_000], [" 10 ", 10]])(
  "reads %s dollars a million tokens",
  (text, dollars) => expect(readPrice(text)).toBe(dollars),
);

it.each(["", "free", "-1", "0.0000001", "1,5", "10001"])("reads no price in %j", (text) => expect(readPrice(text)).toBeUndefined());

it("asks for a price only where one must be, and for that of a million", () => {
  expect(priceProblem("", false)).toBeUndefined();
  expect(priceProblem("", true)).toContain("0 is free");
  expect(priceProblem("x", false)).toContain("no price");
  expect(priceProblem("0.0000025", false)).toContain("no price");
  expect(priceProblem("0.00001", false)).toContain("a single token");
});

it("shows a plain price, the short form too, and keeps what it has no fields for", () => {
  const short = create(ModelSchema, { price: { prompt: 2_500n, completion: 10_000n } });
  expect(readPrices(short)).toEqual({ isSet: true, prompt: "2.5", completion: "10", cached: "", more: [] });
  expect(readPrices(flat)).toEqual({ isSet: true, prompt: "2.5", completion: "10", cached: "0.0028", more: [] });
  expect(readPrices(rich).more).toHaveLength(2);
  expect(readPrices(undefined).isSet).toBe(false);
  for (const model of [flat, rich]) expect(writePrices(readPrices(model))).toEqual(model.prices);
  expect(writePrices({ ...readPrices(rich), isSet: false })).toEqual([]);
});

it("tells prices in words", () => {
  expect(ratesInWords(flat.prices[0]?.rates)).toBe("$2.5 in, $0.0028 cached, $10 out");
  expect(rich.prices.flatMap(restInWords)).toEqual(["prompts of more than 200000 tokens: $5 in", "flex: $1.25 in"]);
});
