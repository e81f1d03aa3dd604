import { expect, it } from "vitest";
import { type Having, nextStep, stateOf, STEPS } from "./steps";

const nothing: Having = { upstream: false, model: false, project: false, token: false };

it("asks for what is missing, in the order in which one needs the other", () => {
  expect(nextStep(nothing)).toBe("upstream");
  expect(nextStep({ ...nothing, upstream: true })).toBe("model");
  expect(nextStep({ ...nothing, upstream: true, model: true })).toBe("project");
  expect(nextStep({ ...nothing, upstream: true, model: true, project: true })).toBe("token");
  expect(nextStep({ upstream: true, model: true, project: true, token: true })).toBe("call");
});

it("asks for no call while there is no model, whatever else there is", () => {
  expect(nextStep({ upstream: true, model: false, project: true, token: true })).toBe("model");
});

it("says nothing before it is known", () => {
  expect(nextStep({ ...nothing, upstream: undefined })).toBeUndefined();
  expect(nextStep({ ...nothing, upstream: true, model: undefined })).toBeUndefined();
});

it("tells what is done, and what comes later", () => {
  expect(STEPS.map((it) => stateOf(it, "project"))).toEqual(["done", "done", "next", "later", "later"]);
});
