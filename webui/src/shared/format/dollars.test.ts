import { expect, it } from "vitest";
import { readDollars, readWhole, writeDollars } from "./dollars";

it.each([
  ["25", 25_000_000_000n],
  ["$25.00", 25_000_000_000n],
  [" 0.1 ", 100_000_000n],
  ["0.29", 290_000_000n],
  ["1,000.50", 1_000_500_000_000n],
  ["4503599.627370496", 4_503_599_627_370_496n],
  ["9007199254.740993001", 9_007_199_254_740_993_001n],
  ["0.000000001", 1n],
])("reads %s dollars exactly", (text, nanos) => expect(readDollars(text)).toBe(nanos));

it.each(["", "$", ".5", "5.", "1,5", "1,50", "10,00.00", "1e3", "-1", "0.0000000001", "5 €", "Infinity"])("reads no dollars in %j", (text) =>
  expect(readDollars(text)).toBeUndefined());

it.each([
  [0n, "0.00"],
  [1n, "0.000000001"],
  [5_000_000n, "0.005"],
  [100_000_000n, "0.10"],
  [25_000_000_000n, "25.00"],
  [4_503_599_627_370_496n, "4,503,599.627370496"],
  [9_007_199_254_740_993_001n, "9,007,199,254.740993001"],
])("writes %s billionths as %s, and reads them again", (nanos, text) => {
  expect(writeDollars(nanos)).toBe(text);
  expect(readDollars(text)).toBe(nanos);
});

it("reads whole numbers, with commas where they belong", () => {
  expect(["60", "1,000,000", " 7 ", "9007199254740993"].map(readWhole)).toEqual([60n, 1_000_000n, 7n, 9_007_199_254_740_993n]);
  expect(["", "1.5", "1,00", "-1", "1e3", "many"].map(readWhole)).toEqual(Array(6).fill(undefined));
});
