import { create } from "@bufbuild/protobuf";
import { UsageEventSchema } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { counted, noRate, SECONDS } from "./rate";

const calls = (...statuses: number[]) => statuses.map((status) => create(UsageEventSchema, { status }));

it("counts calls and failures by the second", () => {
  let rate = counted(noRate(10_000), calls(200, 500), 10_100);
  rate = counted(rate, calls(200), 10_900);
  rate = counted(rate, calls(429), 13_000);
  expect(rate.calls.slice(-4)).toEqual([3, 0, 0, 1]);
  expect(rate.failures.slice(-4)).toEqual([1, 0, 0, 1]);
  expect(rate.calls).toHaveLength(SECONDS);
});

it("forgets what is longer ago than it shows, and takes a clock that goes back for one that stands", () => {
  const rate = counted(counted(noRate(0), calls(200), 0), [], 10 * SECONDS * 1000);
  expect(Math.max(...rate.calls)).toBe(0);
  expect(counted(rate, calls(200), 0).calls.at(-1)).toBe(1);
});
