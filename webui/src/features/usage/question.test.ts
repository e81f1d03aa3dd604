import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { UsageGroup, UsageOrder, UsageRowSchema } from "@tollkeeper/client/v1/usage_service";
import { describe, expect, it } from "vitest";
import { groupOf, namesFor } from "./groups";
import { breakdownRequest, callsOf, overTimeRequest, questionOf } from "./question";

const NOW = new Date("2026-11-28T12:00:00Z");
const at = (time: string) => timestampFromDate(new Date(time));

describe("questionOf", () => {
  it("asks for what is usual where the address says nothing", () => {
    expect(questionOf({}, "UTC", NOW)).toMatchObject({ bucket: "hour", measure: "requests", top: 5, compare: false, group: undefined, rangeName: "24h" });
  });

  it("takes an interval only if the range has few enough of it", () => {
    expect(questionOf({ interval: "minute", range: "1h" }, "UTC", NOW)).toMatchObject({ bucket: "minute", refusedBucket: undefined });
    expect(questionOf({ interval: "minute", range: "30d" }, "UTC", NOW)).toMatchObject({ bucket: "day", refusedBucket: "minute" });
    expect(questionOf({ range: "30d" }, "UTC", NOW).refusedBucket).toBeUndefined();
  });
});

describe("the requests", () => {
  it("ask for the largest by what is measured, and compare groups as wholes alone", () => {
    const question = questionOf({ group: "model", measure: "failed", compare: true, top: 10, model: ["m"] }, "Europe/Berlin", NOW);
    expect(breakdownRequest(question)).toMatchObject({
      groupBy: [UsageGroup.MODEL],
      top: 10,
      orderBy: UsageOrder.FAILED_REQUESTS,
      comparePrevious: true,
      models: ["m"],
      timeZone: "Europe/Berlin",
    });
    expect(overTimeRequest(question)).toMatchObject({ groupBy: [UsageGroup.HOUR, UsageGroup.MODEL], comparePrevious: false, percentiles: false });
  });

  it("are one where nothing groups but time", () => {
    const question = questionOf({ compare: true }, "UTC", NOW);
    expect(overTimeRequest(question)).toEqual(breakdownRequest(question));
    expect(breakdownRequest(question)).not.toHaveProperty("top");
  });
});

describe("callsOf", () => {
  it("adds the group to the filters, and keeps the range's name", () => {
    const question = questionOf({ group: "status", project: ["p"], status: ["4xx", "5xx"] }, "UTC", NOW);
    expect(callsOf(create(UsageRowSchema, { statusClass: "5xx" }), question)).toMatchObject({ project: ["p"], status: ["5xx"], range: "24h" });
  });

  it("goes from the beginning of an interval to its end, within the range", () => {
    const question = questionOf({ from: "2026-11-28T10:30:00Z", to: "2026-11-28T16:00:00Z", interval: "hour" }, "UTC", NOW);
    expect(callsOf(create(UsageRowSchema, { startTime: at("2026-11-28T10:00:00Z") }), question)).toMatchObject({
      from: "2026-11-28T10:30:00.000Z",
      to: "2026-11-28T11:00:00.000Z",
    });
  });

  it("knows none for the rest, and for what has no group", () => {
    const question = questionOf({ group: "error" }, "UTC", NOW);
    expect(callsOf(create(UsageRowSchema, { isRest: true, errorCode: "x" }), question)).toBeUndefined();
    expect(callsOf(create(UsageRowSchema, {}), question)).toBeUndefined();
  });
});

it("keeps two groups of one name apart", () => {
  const rows = [
    { tokenId: "t1", tokenName: "ci" },
    { tokenId: "t2", tokenName: "ci" },
    { tokenId: "t3", tokenName: "web" },
    { isRest: true },
  ].map((row) => create(UsageRowSchema, row));
  expect(rows.map(namesFor(rows, groupOf("token")))).toEqual(["ci (t1)", "ci (t2)", "web", "the rest"]);
});
