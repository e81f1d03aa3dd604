import { expect, it } from "vitest";
import { measureOf } from "./measures";

it("says no time of a group in which no call had one", () => {
  expect(measureOf("first_byte_p95").format(0)).toBe("–");
  expect(measureOf("first_byte_p95").format(12_000)).toBe("12 ms");
  expect(measureOf("requests").format(0)).toBe("0");
});
