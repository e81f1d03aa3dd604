import { expect, it } from "vitest";
import { countSet, USUAL } from "./usual";

it("counts what differs from the defaults, and nothing where the gateway tells the defaults", () => {
  expect(countSet(USUAL.breaker, USUAL.breaker)).toBe(0);
  expect(countSet({ threshold: "", cooldown: "", window: "", minCalls: "" }, USUAL.breaker)).toBe(0);
  expect(countSet({ threshold: 0.5, cooldown: "500 ms", window: "30", minCalls: 3 }, USUAL.breaker)).toBe(2);
  expect(countSet({ connect: "10000 ms", firstByte: "600 s", idle: "5 min", total: "60 min" }, USUAL.timeouts)).toBe(0);
  expect(countSet({ ...USUAL.timeouts, total: "2 h" }, USUAL.timeouts)).toBe(1);
});
