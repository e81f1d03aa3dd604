import { expect, it } from "vitest";
import { durationProblem, readDuration, toMicroseconds, writeDuration } from "./durations";

it.each([
  ["500 ms", 500_000n],
  ["500ms", 500_000n],
  ["30 s", 30_000_000n],
  ["30", 30_000_000n],
  ["1.5 s", 1_500_000n],
  ["0.001 s", 1_000n],
  ["5 min", 300_000_000n],
  ["2 m", 120_000_000n],
  ["1 h", 3_600_000_000n],
])("reads %s", (text, micros) => {
  const read = readDuration(text);
  expect(read && toMicroseconds(read)).toBe(micros);
});

it.each(["", "soon", "-1 s", "1 d", "1 s 2 s"])("reads nothing in %j", (text) => expect(readDuration(text)).toBeUndefined());

it.each(["500 ms", "30 s", "1.5 s", "5 min", "1 h", "90 s", "100 ms"])("writes what it reads: %s", (text) => {
  expect(readDuration(writeDuration(readDuration(text)))).toEqual(readDuration(text));
});

it("writes the largest whole unit", () => {
  expect(writeDuration(readDuration("3600 s"))).toBe("1 h");
  expect(writeDuration(readDuration("90 s"))).toBe("90 s");
  expect(writeDuration(undefined)).toBe("");
});

it("tells what is wrong, and takes nothing for nothing", () => {
  expect(durationProblem(" ")).toBeUndefined();
  expect(durationProblem("1 s")).toBeUndefined();
  expect(durationProblem("1 day")).toContain("30 s");
});
