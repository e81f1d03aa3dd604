import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema } from "@tollkeeper/client/rpc/error_details";
import { describe, expect, it } from "vitest";
import { fieldErrors, isTransient, remedyOf } from "./errors";

function refused(...violations: [field: string, description: string][]): ConnectError {
  const value = create(BadRequestSchema, { fieldViolations: violations.map(([field, description]) => ({ field, description })) });
  return new ConnectError("invalid", Code.InvalidArgument, undefined, [{ desc: BadRequestSchema, value }]);
}

describe("fieldErrors", () => {
  it("puts a violation at its field, whatever message holds it", () => {
    const found = fieldErrors(refused(["upstream.base_url", "must be a URL"], ["name", "is taken"]), ["baseUrl", "name"]);
    expect(found).toEqual({ fields: { baseUrl: "must be a URL", name: "is taken" }, rest: [] });
  });

  it("puts a violation of an item at the list", () => {
    expect(fieldErrors(refused(["allowed_models[3]", "has a blank"]), ["allowedModels"]).fields).toEqual({ allowedModels: "has a blank" });
  });

  it("prefers the field of a part to the field of the whole", () => {
    const found = fieldErrors(refused(["upstream.timeouts.connect", "is too long"]), ["timeouts", "timeouts.connect"]);
    expect(found.fields).toEqual({ "timeouts.connect": "is too long" });
  });

  it("keeps what belongs to no field", () => {
    expect(fieldErrors(refused(["labels", "are too many"]), ["name"])).toEqual({ fields: {}, rest: ["labels: are too many"] });
    expect(fieldErrors(new ConnectError("no store", Code.Unavailable), ["name"]).rest).toEqual(["no store"]);
  });

  it("joins what is said of one field", () => {
    expect(fieldErrors(refused(["name", "is short"], ["name", "has a blank"]), ["name"]).fields.name).toBe("is short; has a blank");
  });
});

it("repeats only what may succeed by it", () => {
  expect(isTransient(new ConnectError("", Code.Unavailable))).toBe(true);
  expect(isTransient(new ConnectError("", Code.InvalidArgument))).toBe(false);
  expect(isTransient(new ConnectError("", Code.Unauthenticated))).toBe(false);
});

it("blames the gateway only for what a request threw", () => {
  expect(remedyOf(new ConnectError("", Code.Unknown))).toMatch(/^The gateway can't be reached/);
  expect(remedyOf(new TypeError("Failed to fetch"))).toMatch(/^The gateway can't be reached/);
  expect(remedyOf(new RangeError("Invalid time value"))).toMatch(/^This is a fault of the console/);
});
