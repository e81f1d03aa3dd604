import { expect, it } from "vitest";
import { fromWall, toWall } from "./wall";

const BERLIN = "Europe/Berlin";

it("is the clock of the zone, to and fro", () => {
  const time = new Date("2026-11-28T13:05:09Z");
  expect(toWall(time, BERLIN)).toBe("2026-11-28T14:05:09");
  expect(fromWall("2026-11-28T14:05:09", BERLIN)).toEqual(time);
  expect(fromWall("2026-07-01T00:00", "Asia/Kolkata")?.toISOString()).toBe("2026-06-30T18:30:00.000Z");
  expect(fromWall("2026-07-01T00:00", "UTC")?.toISOString()).toBe("2026-07-01T00:00:00.000Z");
});

it("takes the first of two times that clocks show alike", () => {
  expect(fromWall("2026-10-25T02:30", BERLIN)?.toISOString()).toBe("2026-10-25T00:30:00.000Z");
});

it("goes on where clocks leave a time out", () => {
  expect(fromWall("2026-03-29T02:30", BERLIN)?.toISOString()).toBe("2026-03-29T01:30:00.000Z");
});

it("knows both sides of a change", () => {
  expect(fromWall("2026-03-29T01:59", BERLIN)?.toISOString()).toBe("2026-03-29T00:59:00.000Z");
  expect(fromWall("2026-03-29T03:00", BERLIN)?.toISOString()).toBe("2026-03-29T01:00:00.000Z");
  expect(fromWall("2026-10-25T03:00", BERLIN)?.toISOString()).toBe("2026-10-25T02:00:00.000Z");
});

it("refuses what is no time", () => expect(fromWall("soon", BERLIN)).toBeUndefined());
