import { create } from "@bufbuild/protobuf";
import { type Limit, LimitMeasure, LimitPeriod, LimitSchema } from "@tollkeeper/client/v1/limit";
import { expect, it } from "vitest";
import { limitProblems, type LimitRow, NEW_LIMIT, readLimits, tellLimits, writeLimits } from "./rows";

const { REQUESTS_PER_MINUTE, CONCURRENT_REQUESTS, TOKENS, MONEY } = LimitMeasure;
const { HOUR, MONTH, TOTAL } = LimitPeriod;

const row = (values: Partial<LimitRow>): LimitRow => ({ ...NEW_LIMIT, ...values });
const problemsOf = (rows: readonly LimitRow[]) => Object.fromEntries(Object.entries(limitProblems(rows)).filter(([, it]) => it !== undefined));

const LIMITS: Limit[] = [
  create(LimitSchema, { measure: REQUESTS_PER_MINUTE, amount: 1_000n, burst: 120n }),
  create(LimitSchema, { measure: CONCURRENT_REQUESTS, amount: 4n }),
  create(LimitSchema, { measure: TOKENS, amount: 1_000_000n, period: HOUR }),
  create(LimitSchema, { measure: MONEY, amount: 25_000_000_001n, period: MONTH, zone: "Europe/Berlin", clamp: true, allowUnpriced: true }),
  create(LimitSchema, { measure: MONEY, amount: 4_503_599_627_370_496n, period: TOTAL }),
];

it("stores what it has read, to the last billionth of a dollar", () => {
  expect(readLimits(LIMITS).map((it) => it.amount)).toEqual(["1,000", "4", "1,000,000", "25.000000001", "4,503,599.627370496"]);
  expect(writeLimits(readLimits(LIMITS))).toEqual(LIMITS);
  expect(problemsOf(readLimits(LIMITS))).toEqual({});
});

it("leaves out what a measure has none of", () => {
  const rest = { burst: "5", zone: "Europe/Berlin", clamp: true, allowUnpriced: true };
  const written = writeLimits([
    row({ ...rest, measure: String(CONCURRENT_REQUESTS), amount: "4" }),
    row({ ...rest, measure: String(REQUESTS_PER_MINUTE), amount: "60" }),
    row({ ...rest, amount: "1", period: String(TOTAL) }),
    row({ ...rest, amount: "1" }),
    row({ ...rest, measure: String(TOKENS), amount: "1" }),
  ]);
  expect(written.map(({ burst, period, zone, clamp, allowUnpriced }) => [burst, period, zone, clamp, allowUnpriced])).toEqual([
    [0n, undefined, undefined, false, false],
    [5n, undefined, undefined, false, false],
    [0n, TOTAL, undefined, true, true],
    [0n, MONTH, "Europe/Berlin", true, true],
    [0n, MONTH, "Europe/Berlin", true, false],
  ]);
});

it("finds texts that are no amounts", () => {
  const rate = { measure: String(REQUESTS_PER_MINUTE) };
  const found = problemsOf([row({ amount: "1,5" }), row({ ...rate, amount: "1.5", burst: "much" }), row({ amount: "0.00", period: String(HOUR) }), row({ period: String(TOTAL) })]);
  expect(Object.keys(found)).toEqual(["limits.0.amount", "limits.1.amount", "limits.1.burst", "limits.2.amount", "limits.3.amount"]);
});

it("holds money to the server's bounds, in dollars", () => {
  const bounds = "must be between $0.001 and $4,503,599.627370496";
  expect(["0.001", "4503599.627370496"].map((amount) => problemsOf([row({ amount })]))).toEqual([{}, {}]);
  for (const amount of ["0", "0.000999999", "4503599.627370497"]) expect(problemsOf([row({ amount })])).toEqual({ "limits.0.amount": bounds });
  expect(problemsOf([row({ measure: String(CONCURRENT_REQUESTS), amount: "0" })])["limits.0.amount"]).toContain("more than 0");
});

it("finds two limits that count the same, and takes no zone for UTC", () => {
  expect(problemsOf([row({ amount: "1" }), row({ amount: "2", zone: "UTC" })])).toEqual({
    "limits.1.measure": "counts the same as limit 1; remove one, or change its measure, period or zone",
  });
  expect(problemsOf([row({ amount: "1" }), row({ amount: "2", zone: "Europe/Berlin" }), row({ amount: "2", period: String(HOUR) })])).toEqual({});
});

it("tells limits, and what was typed where it is none yet", () => {
  expect(tellLimits([])).toBe("none");
  expect(tellLimits([row({ amount: "25", zone: "Europe/Berlin" }), row({ amount: "much" })])).toBe("$25.00 a month, Europe/Berlin; Budget of money: much");
});
