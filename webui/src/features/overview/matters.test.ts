import { create } from "@bufbuild/protobuf";
import { AttentionKind, AttentionSchema, Severity } from "@tollkeeper/client/v1/status_service";
import { expect, it } from "vitest";
import { mattersOf } from "./matters";

const of = (kind: AttentionKind, severity: Severity, subject: string) =>
  create(AttentionSchema, { kind, severity, subject, detail: "has no price", remedy: "give it one" });

it("says a note once, and what fails for each", () => {
  const items = [
    of(AttentionKind.BREAKER, Severity.ERROR, "one"),
    of(AttentionKind.BREAKER, Severity.ERROR, "two"),
    of(AttentionKind.UNPRICED, Severity.INFO, "a"),
    of(AttentionKind.STORE, Severity.WARNING, ""),
    of(AttentionKind.UNPRICED, Severity.INFO, "b"),
  ];
  expect(mattersOf(items).map((it) => it.subjects)).toEqual([["one"], ["two"], ["a", "b"], []]);
});
