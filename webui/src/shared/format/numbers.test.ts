import { expect, it } from "vitest";
import { changeOf, formatBytes, formatDollars, formatMicroseconds, formatPrice } from "./numbers";

it.each([
  [0n, "0 µs"],
  [850n, "850 µs"],
  [1_500n, "1.5 ms"],
  [12_000n, "12 ms"],
  [3_400_000n, "3.40 s"],
  [125_000_000n, "2 min 5 s"],
])("tells %s microseconds as %s", (value, shown) => expect(formatMicroseconds(value)).toBe(shown));

it.each([
  [0n, "0 B"],
  [999n, "999 B"],
  [1_500n, "1.5 KB"],
  [250_000_000n, "250 MB"],
])("tells %s bytes as %s", (value, shown) => expect(formatBytes(value)).toBe(shown));

it.each([
  [0n, "$0.00"],
  [1n, "$0.000000001"],
  [142_500n, "$0.000143"],
  [700_000_000n, "$0.70"],
  [999_999_999n, "$1.00"],
  [1_500_000_000n, "$1.50"],
  [1_234_567_890_123_456n, "$1,234,567.89"],
])("tells %s billionths of a dollar as %s", (nanos, text) => expect(formatDollars(nanos)).toBe(text));

it("tells prices by the million tokens", () => expect(formatPrice(2_500n)).toBe("$2.5 / M tokens"));

it("has no change from nothing", () => {
  expect(changeOf(5n, 0n)).toBeUndefined();
  expect(changeOf(15n, 10n)).toBe(0.5);
});
