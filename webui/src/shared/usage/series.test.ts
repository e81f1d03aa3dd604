import { create } from "@bufbuild/protobuf";
import { UsageRowSchema } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { byKind, partsOf, seriesOf } from "./series";

const at = (hour: number) => new Date(Date.UTC(2026, 10, 28, hour));

it("gives each time a value of each series, and the largest first", () => {
  const points = [
    { time: at(2), series: "rest", value: 100 },
    { time: at(1), series: "small", value: 1 },
    { time: at(2), series: "large", value: 5 },
    { time: at(2), series: "large", value: 5 },
  ];
  expect(seriesOf(points, [at(0)], "rest")).toEqual({
    names: ["large", "small", "rest"],
    rows: [
      { time: at(0), values: { large: 0, small: 0, rest: 0 } },
      { time: at(1), values: { large: 0, small: 1, rest: 0 } },
      { time: at(2), values: { large: 10, small: 0, rest: 100 } },
    ],
  });
});

it("has the parts of rows in one order, whichever is larger", () => {
  const row = (promptTokens: bigint, completionTokens: bigint) => create(UsageRowSchema, { promptTokens, completionTokens });
  expect(partsOf([row(1n, 9n)], [], byKind).names).toEqual(["prompt", "completion"]);
  expect(partsOf([row(9n, 1n)], [], byKind).names).toEqual(["prompt", "completion"]);
  expect(partsOf([], [], byKind).names).toEqual([]);
});
