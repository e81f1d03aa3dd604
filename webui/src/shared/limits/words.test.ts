import { create } from "@bufbuild/protobuf";
import { LimitMeasure, LimitPeriod, LimitSchema } from "@tollkeeper/client/v1/limit";
import { expect, it } from "vitest";
import { limitInWords, MEASURES, PERIODS } from "./words";

const { REQUESTS_PER_MINUTE, TOKENS_PER_MINUTE, CONCURRENT_REQUESTS, REQUESTS, TOKENS, MONEY } = LimitMeasure;
const { HOUR, DAY, WEEK, MONTH, TOTAL } = LimitPeriod;

it.each([
  [{ measure: REQUESTS_PER_MINUTE, amount: 60n, burst: 120n }, "60 requests a minute, burst 120"],
  [{ measure: REQUESTS_PER_MINUTE, amount: 1n }, "1 request a minute"],
  [{ measure: TOKENS_PER_MINUTE, amount: 100_000n }, "100,000 tokens a minute"],
  [{ measure: CONCURRENT_REQUESTS, amount: 4n }, "4 requests at once"],
  [{ measure: MONEY, amount: 25_000_000_000n, period: MONTH, zone: "Europe/Berlin" }, "$25.00 a month, Europe/Berlin"],
  [{ measure: MONEY, amount: 1_000_000_000n, period: TOTAL, clamp: true, allowUnpriced: true }, "$1.00 in total, shorter answers, unpriced allowed"],
  [{ measure: MONEY, amount: 1_500_000n, period: DAY }, "$0.0015 a day, UTC"],
  [{ measure: TOKENS, amount: 1_000_000n, period: WEEK }, "1,000,000 tokens a week, UTC"],
  [{ measure: REQUESTS, amount: 500n, period: HOUR }, "500 requests an hour"],
  [{ measure: MONEY, amount: 4_503_599_627_370_496n, period: TOTAL }, "$4,503,599.627370496 in total"],
])("tells a limit in words: %#", (limit, words) => expect(limitInWords(create(LimitSchema, limit))).toBe(words));

it("knows every measure and every period", () => {
  const known = (numbers: object) => Object.values(numbers).filter((it): it is number => typeof it === "number" && it > 0);
  expect(known(LimitMeasure).filter((it) => MEASURES[it as LimitMeasure] === undefined)).toEqual([]);
  expect(known(LimitPeriod).filter((it) => PERIODS[it as LimitPeriod] === undefined)).toEqual([]);
});
