import { create } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { TokenSchema } from "@tollkeeper/client/v1/token_service";
import { expect, it } from "vitest";
import { expiryOf, valuesOf } from "./values";

const token = create(TokenSchema, {
  name: "billing",
  maxRequests: 5n,
  expiresAt: timestampFromDate(new Date("2026-12-24T17:00:30Z")),
  labels: { team: "b", app: "a" },
});

it("shows the expiry by the clocks of the page's zone", () => {
  expect(valuesOf(token, "Europe/Berlin").expiresAt).toBe("2026-12-24T18:00");
  expect(valuesOf(token, "America/New_York").expiresAt).toBe("2026-12-24T12:00");
});

it("reads the expiry in the page's zone", () => {
  const time = expiryOf("2026-12-24T18:00", "Europe/Berlin");
  expect(time && timestampDate(time).toISOString()).toBe("2026-12-24T17:00:00.000Z");
  expect(expiryOf("", "Europe/Berlin")).toBeUndefined();
});

it("takes 0 for no limit, and labels in the order of their names", () => {
  expect(valuesOf(token, "UTC")).toMatchObject({ maxRequests: "5", labels: [["app", "a"], ["team", "b"]] });
  expect(valuesOf(create(TokenSchema, {}), "UTC")).toMatchObject({ maxRequests: "", expiresAt: "" });
});
