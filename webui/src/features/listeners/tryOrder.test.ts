import { expect, test } from "vitest";
import { tryOrder } from "./tryOrder";

const member = (name: string, score = 0, isAvailable = true, isChosen = false) => ({ name, score, isAvailable, isChosen });
const told = (all: ReturnType<typeof member>[], strategy: string) => tryOrder(all, strategy).map((it) => `${it.place ?? "-"} ${it.member.name}`);

test("round robin goes on in turn, and what is not available comes last", () => {
  const all = [member("a"), member("b", 0, true, true), member("c", 0, false), member("d")];
  expect(told(all, "round_robin")).toEqual(["1 b", "2 d", "3 a", "- c"]);
});

test("failover keeps the order, response aware goes by the score after the one that is chosen", () => {
  expect(told([member("a", 0, true, true), member("b"), member("c")], "failover")).toEqual(["1 a", "2 b", "3 c"]);
  expect(told([member("a", 9), member("b", 5, true, true), member("c", 1)], "response_aware")).toEqual(["1 b", "2 c", "3 a"]);
});

test("where chance decides, the first is known, and the last of two", () => {
  expect(told([member("a"), member("b", 0, true, true), member("c")], "random")).toEqual(["1 b", "- a", "- c"]);
  expect(told([member("a"), member("b", 0, true, true)], "weighted_round_robin")).toEqual(["1 b", "2 a"]);
});
