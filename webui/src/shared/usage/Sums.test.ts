import { create } from "@bufbuild/protobuf";
import { UsagePercentilesSchema } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { p95Of } from "./Sums";

it("says no time where no call had one", () => {
  expect(p95Of(undefined)).toBe("–");
  expect(p95Of(create(UsagePercentilesSchema, {}))).toBe("–");
  expect(p95Of(create(UsagePercentilesSchema, { p50Microseconds: 1_000n, p95Microseconds: 12_000n }))).toBe("12 ms");
});
