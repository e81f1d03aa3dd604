import { expect, it } from "vitest";
import { rangeNameOf, rangeOf, rangeReaders } from "./range";
import { searchOf } from "./search";

const NOW = new Date("2026-11-28T12:00:30Z");

it("ends a named range at the end of this minute", () => {
  const { start, end } = rangeOf({ range: "24h" }, "1h", NOW);
  expect(end.toISOString()).toBe("2026-11-28T12:01:00.000Z");
  expect(start.toISOString()).toBe("2026-11-27T12:01:00.000Z");
});

it("takes two times before a name", () => {
  const { start, end } = rangeOf({ range: "24h", from: "2026-01-01T00:00:00Z", to: "2026-02-01T00:00:00Z" }, "1h", NOW);
  expect([start.toISOString(), end.toISOString()]).toEqual(["2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"]);
});

it("takes the usual one for times that make no range", () => {
  for (const search of [
    {},
    { from: "nonsense", to: "2026-02-01" },
    { from: "2026-02-01", to: "2026-01-01" },
    { from: "0001-01-01", to: "2026-01-01" },
    { from: "2026-01-01", to: "9999-12-31" },
    { from: "+200000-01-01T00:00:00Z", to: "+270000-01-01T00:00:00Z" },
  ]) {
    expect(rangeOf(search, "1h", NOW).start.toISOString()).toBe("2026-11-28T11:01:00.000Z");
    expect(rangeNameOf(search, "1h")).toBe("1h");
  }
});

it("takes the end of a range that is too long to draw", () => {
  const { start, end } = rangeOf({ from: "1970-01-01", to: "2200-01-01" }, "1h", NOW);
  expect([start.getUTCFullYear(), end.getUTCFullYear()]).toEqual([2160, 2200]);
});

it("leaves times and names that can't be out of the address", () => {
  const read = searchOf(rangeReaders);
  expect(read({ range: "2h", from: "yesterday", to: "2026-02-30T25:00:00Z" })).toEqual({});
  expect(read({ from: "0001-01-01", to: "9999-12-31" })).toEqual({});
  expect(read({ from: "2026-01-01", to: "2026-02-01T00:00:00Z" })).toEqual({ from: "2026-01-01", to: "2026-02-01T00:00:00Z" });
});
