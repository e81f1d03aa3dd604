import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { SummarizeUsageRequestSchema, UsageGroup } from "@tollkeeper/client/v1/usage_service";
import { expect, it } from "vitest";
import { restLink } from "./restLink";

it("writes a request as REST takes it: names of fields, of enums, and times", () => {
  const link = restLink(
    "/manage/usage/summary",
    SummarizeUsageRequestSchema,
    {
      groupBy: [UsageGroup.HOUR, UsageGroup.MODEL],
      models: ["a,b&c"],
      startTime: timestampFromDate(new Date("2026-11-28T10:00:00Z")),
      top: 5,
      comparePrevious: true,
    },
    { alt: "csv" },
  );
  const url = new URL(link, "http://gate.example");
  expect(url.pathname).toBe("/manage/usage/summary");
  expect([...url.searchParams]).toEqual([
    ["group_by", "USAGE_GROUP_HOUR"],
    ["group_by", "USAGE_GROUP_MODEL"],
    ["start_time", "2026-11-28T10:00:00Z"],
    ["models", "a,b&c"],
    ["top", "5"],
    ["compare_previous", "true"],
    ["alt", "csv"],
  ]);
});
