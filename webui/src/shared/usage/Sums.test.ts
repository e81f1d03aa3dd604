import { create } from "@bufbuild/protobuf";
import { UsagePercentilesSchema, UsageRowSchema } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { costNote, costText, p95Of } from "./Sums";

it("says no time where no call had one", () => {
  expect(p95Of(undefined)).toBe("–");
  expect(p95Of(create(UsagePercentilesSchema, {}))).toBe("–");
  expect(p95Of(create(UsagePercentilesSchema, { p50Microseconds: 1_000n, p95Microseconds: 12_000n }))).toBe("12 ms");
});

it("says no cost where none is known, and what a cost leaves out", () => {
  const row = (requests: bigint, pricedRequests: bigint) => create(UsageRowSchema, { requests, pricedRequests, costNanoDollars: pricedRequests * 500_000_000n });
  expect([row(0n, 0n), row(3n, 0n), row(3n, 2n), row(3n, 3n)].map(costText)).toEqual(["$0.00", "–", "$1.00", "$1.50"]);
  expect([row(3n, 0n), row(3n, 2n), row(3n, 3n)].map(costNote)).toEqual([
    "without 3 requests whose cost is not known",
    "without 1 request whose cost is not known",
    undefined,
  ]);
});
