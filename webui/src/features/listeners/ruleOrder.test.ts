import { expect, test } from "vitest";
import { ruleOrder } from "./ruleOrder";

const of = (path: string, header = "") => ({ path, header });
const paths = (...all: ReturnType<typeof of>[]) => ruleOrder(all).map((it) => [all[it]?.path, all[it]?.header].filter(Boolean).join(" "));

test("a static path comes first, a rule without a path last", () => {
  expect(paths(of("", "x-team"), of("/v1/*"), of("/:any/chat"), of("/v1/chat"))).toEqual(["/v1/chat", "/:any/chat", "/v1/*", "x-team"]);
});

test("more static segments, then constrained ones, then named ones, then more segments, then longer ones", () => {
  expect(paths(of("/*/items"), of("/:id/items"), of("/{id:[0-9]+}/items"), of("/a/items/*"))).toEqual([
    "/a/items/*",
    "/{id:[0-9]+}/items",
    "/:id/items",
    "/*/items",
  ]);
  expect(paths(of("/a/*"), of("/a/*/*"), of("/abc/*"))).toEqual(["/a/*/*", "/abc/*", "/a/*"]);
});

test("of rules with the same path, those with a header come first, and else the earlier one", () => {
  expect(ruleOrder([of("/v1/*"), of("/v1/*", "x-a"), of("/v1/*", "x-b"), of("/v1/*")])).toEqual([1, 2, 0, 3]);
});

test("a slash at the end is ignored, and encoded letters count once", () => {
  expect(ruleOrder([of("/a/"), of("/a")])).toEqual([0, 1]);
  expect(ruleOrder([of("/%61%61/*"), of("/aaa/*")])).toEqual([1, 0]);
});
