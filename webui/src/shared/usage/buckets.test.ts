import { expect, it } from "vitest";
import { bucketOf, bucketsFor, bucketsOf, nextOf } from "./buckets";

const range = (start: string, end: string) => ({ start: new Date(start), end: new Date(end) });
const iso = (times: Date[]) => times.map((it) => it.toISOString().slice(0, 16));

it("cuts a range into what is easy to read", () => {
  expect(bucketOf(range("2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z"))).toBe("minute");
  expect(bucketOf(range("2026-11-27T11:00:00Z", "2026-11-28T11:00:00Z"))).toBe("hour");
  expect(bucketOf(range("2026-11-21T11:00:00Z", "2026-11-28T11:00:00Z"))).toBe("day");
});

it("begins with the bucket in which the range begins", () => {
  expect(iso(bucketsOf(range("2026-11-28T10:20:00Z", "2026-11-28T12:00:00Z"), "hour", "UTC"))).toEqual(["2026-11-28T10:00", "2026-11-28T11:00"]);
});

it("begins hours where those of the zone begin", () => {
  expect(iso(bucketsOf(range("2026-11-28T10:20:00Z", "2026-11-28T11:40:00Z"), "hour", "Asia/Kolkata"))).toEqual([
    "2026-11-28T09:30",
    "2026-11-28T10:30",
    "2026-11-28T11:30",
  ]);
});

it("begins days at midnight of the zone, whatever their length", () => {
  expect(iso(bucketsOf(range("2026-10-24T12:00:00Z", "2026-10-27T00:00:00Z"), "day", "Europe/Berlin"))).toEqual([
    "2026-10-23T22:00",
    "2026-10-24T22:00",
    "2026-10-25T23:00",
    "2026-10-26T23:00",
  ]);
  expect(iso(bucketsOf(range("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"), "day", "Europe/Berlin"))).toEqual([
    "2026-03-27T23:00",
    "2026-03-28T23:00",
    "2026-03-29T22:00",
  ]);
});

it("has both of the hours that clocks show alike", () => {
  expect(bucketsOf(range("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"), "hour", "Europe/Berlin")).toHaveLength(25);
});

it("begins weeks on Monday and months on their first, by the calendar of the zone", () => {
  expect(iso(bucketsOf(range("2026-10-20T12:00:00Z", "2026-11-02T12:00:00Z"), "week", "Europe/Berlin"))).toEqual([
    "2026-10-18T22:00",
    "2026-10-25T23:00",
    "2026-11-01T23:00",
  ]);
  expect(iso(bucketsOf(range("2026-01-31T12:00:00Z", "2026-04-15T12:00:00Z"), "month", "Europe/Berlin"))).toEqual([
    "2025-12-31T23:00",
    "2026-01-31T23:00",
    "2026-02-28T23:00",
    "2026-03-31T22:00",
  ]);
});

it("offers the buckets of which a range has few enough to draw", () => {
  expect(bucketsFor(range("2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z"))).toEqual(["minute", "hour", "day", "week", "month"]);
  expect(bucketsFor(range("2026-10-28T10:00:00Z", "2026-11-28T10:00:00Z"))).toEqual(["day", "week", "month"]);
  expect(bucketsFor(range("1990-01-01T00:00:00Z", "2026-11-28T10:00:00Z"))).toEqual(["month"]);
});

it("ends a bucket where the next one begins", () => {
  expect(nextOf(new Date("2026-10-24T22:00:00Z"), "day", "Europe/Berlin").toISOString()).toBe("2026-10-25T23:00:00.000Z");
  expect(nextOf(new Date("2026-11-28T10:00:00Z"), "minute", "UTC").toISOString()).toBe("2026-11-28T10:01:00.000Z");
});
