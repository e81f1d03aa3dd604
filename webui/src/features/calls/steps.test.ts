import { create } from "@bufbuild/protobuf";
import { UsageEventSchema } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { stepsOf } from "./steps";

const spans = (init: Parameters<typeof create<typeof UsageEventSchema>>[1]) =>
  stepsOf(create(UsageEventSchema, init)).map(({ attempt, start, length }) => [attempt?.upstream, start, length]);

it("puts attempts behind one another, the answering one up to the first byte, and the answer last", () => {
  const attempts = [
    { upstream: "down", milliseconds: 20n, errorCode: "upstream_unreachable" },
    { upstream: "up", milliseconds: 80n, status: 200 },
  ];
  expect(spans({ attempts, firstByteMicroseconds: 110_000n, durationMicroseconds: 150_000n })).toEqual([
    ["down", 0, 20_000],
    ["up", 30_000, 80_000],
    [undefined, 110_000, 40_000],
  ]);
});

it("puts attempts where they began", () => {
  const attempts = [
    { upstream: "down", milliseconds: 20n, afterMilliseconds: 0n, errorCode: "upstream_unreachable" },
    { upstream: "up", milliseconds: 40n, afterMilliseconds: 60n, status: 200 },
  ];
  expect(spans({ attempts, firstByteMicroseconds: 110_000n, durationMicroseconds: 150_000n })).toEqual([
    ["down", 0, 20_000],
    ["up", 60_000, 40_000],
    [undefined, 110_000, 40_000],
  ]);
});

it("stays within the call, whatever was rounded", () => {
  expect(spans({ attempts: [{ upstream: "up", milliseconds: 2n, status: 200 }], firstByteMicroseconds: 1_400n, durationMicroseconds: 1_500n })).toEqual([
    ["up", 0, 1_500],
    [undefined, 1_400, 100],
  ]);
});

it("has no answer where none came", () => {
  expect(spans({ attempts: [{ upstream: "down", milliseconds: 5n }], durationMicroseconds: 6_000n })).toEqual([["down", 0, 5_000]]);
  expect(spans({ durationMicroseconds: 10n })).toEqual([]);
});
