import { create } from "@bufbuild/protobuf";
import { LimitMeasure, LimitPeriod, LimitSchema } from "@tollkeeper/client/v1/limit";
import { type LimitStanding, LimitStandingSchema } from "@tollkeeper/client/v1/limit_service";
import { expect, it } from "vitest";
import { barOf, levelOf, standingInWords, withStandings } from "./standing";

const MONEY = create(LimitSchema, { measure: LimitMeasure.MONEY, amount: 25_000_000_000n, period: LimitPeriod.MONTH, zone: "Europe/Berlin" });
const RATE = create(LimitSchema, { measure: LimitMeasure.TOKENS_PER_MINUTE, amount: 60_000n, burst: 120_000n });
const SLOTS = create(LimitSchema, { measure: LimitMeasure.CONCURRENT_REQUESTS, amount: 4n });

const standing = (fields: Partial<LimitStanding>): LimitStanding =>
  create(LimitStandingSchema, { isKnown: true, limit: MONEY, ...fields } as Parameters<typeof create<typeof LimitStandingSchema>>[1]);

it.each([
  [{ used: 20_000_000_000n, reserved: 1_000_000_000n, left: 4_000_000_000n }, "$20.00 used, $1.00 reserved, $4.00 left"],
  [{ used: 0n, left: 25_000_000_000n }, "$0.00 used, $25.00 left"],
  [{ limit: RATE, left: 90_000n }, "90,000 may pass at once"],
  [{ limit: SLOTS, reserved: 3n, left: 1n }, "3 under way, 1 left"],
  [{ isKnown: false }, "nobody knows at the moment what is used"],
])("tells how a limit stands in words: %#", (fields, words) => expect(standingInWords(standing(fields))).toBe(words));

it.each([
  [{ left: 25n }, "free"],
  [{ left: 5n, thresholds: [80] }, "near"],
  [{ left: 1n, thresholds: [80, 95] }, "nearer"],
  [{ left: 0n, thresholds: [80, 95] }, "gone"],
  [{ left: 0n, thresholds: [] }, "gone"],
  [{ isKnown: false, left: 0n }, "free"],
])("says how near a limit is: %#", (fields, level) => expect(levelOf(standing(fields))).toBe(level));

it.each([
  [{ used: 20_000_000_000n, reserved: 2_500_000_000n }, { used: 80, reserved: 10 }],
  [{ used: 30_000_000_000n, reserved: 1n }, { used: 100, reserved: 0 }],
  [{ limit: RATE, share: 0.25 }, { used: 25, reserved: 0 }],
  [{ limit: SLOTS, reserved: 3n }, { used: 0, reserved: 75 }],
  [{ isKnown: false, used: 5n }, { used: 0, reserved: 0 }],
])("fills a bar by what is used and reserved: %#", (fields, bar) => expect(barOf(standing(fields))).toEqual(bar));

it("finds the standing of each limit, and none of one that was changed a moment ago", () => {
  const changed = create(LimitSchema, { ...MONEY, amount: 30_000_000_000n });
  const known = standing({});
  expect(withStandings([SLOTS, MONEY, changed], [known]).map((it) => [it.words, it.standing])).toEqual([
    ["4 requests at once", undefined],
    ["$25.00 a month, Europe/Berlin", known],
    ["$30.00 a month, Europe/Berlin", undefined],
  ]);
});
