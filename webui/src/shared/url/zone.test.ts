import { expect, it } from "vitest";
import { isZone, zoneName } from "./zone";

it("takes the names that the gateway takes", () => {
  expect(["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"].map(isZone)).toEqual([true, true, true]);
  expect(["", "Mars/Base", "+02:00", "-0330"].map(isZone)).toEqual([false, false, false, false]);
});

it("leaves a zone out of the address that nobody knows", () => {
  expect([zoneName("Asia/Tokyo"), zoneName("Mars/Base"), zoneName(5), zoneName("x".repeat(65))]).toEqual(["Asia/Tokyo", undefined, undefined, undefined]);
});
