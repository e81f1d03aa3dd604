import { type Timestamp, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Token } from "@tollkeeper/client/v1/token_service";
import { type LabelPair, labelPairs, tellLabels } from "../../shared/forms/LabelsInput";
import { formatCount } from "../../shared/format/numbers";
import { fromWall, toWall } from "../../shared/format/wall";
import { type LimitRow, readLimits, tellLimits } from "../../shared/limits/rows";

/** The fields of a token's form. */
export type TokenValues = {
  projectId: string;
  name: string;
  description: string;
  /** Empty is unlimited. */
  maxRequests: string;
  /** By the clocks of the page's zone, to the minute; empty is never. */
  expiresAt: string;
  allowedModels: string[];
  limits: LimitRow[];
  labels: LabelPair[];
  /** A secret of one's own, for a new token; empty has the gateway make one. */
  secret: string;
};

const MINUTE_LETTERS = "2026-11-28T14:05".length;

export const wallOf = (time: Timestamp | Date, zone: string): string =>
  toWall(time instanceof Date ? time : timestampDate(time), zone).slice(0, MINUTE_LETTERS);

/** Return the time that a form's text names in a zone; undefined is never. */
export function expiryOf(wall: string, zone: string): Timestamp | undefined {
  const time = wall === "" ? undefined : fromWall(wall, zone);
  return time && timestampFromDate(time);
}

export const valuesOf = (token: Token | undefined, zone: string, projectId = ""): TokenValues => ({
  projectId: token?.projectId ?? projectId,
  name: token?.name ?? "",
  description: token?.description ?? "",
  maxRequests: token === undefined || token.maxRequests === 0n ? "" : formatCount(token.maxRequests),
  expiresAt: token?.expiresAt ? wallOf(token.expiresAt, zone) : "",
  allowedModels: [...(token?.allowedModels ?? [])],
  limits: readLimits(token?.limits),
  labels: labelPairs(token?.labels),
  secret: "",
});

/** How people read a value where two versions stand beside each other. */
export function tell(field: keyof TokenValues, values: TokenValues): string {
  if (field === "labels") return tellLabels(values.labels);
  if (field === "limits") return tellLimits(values.limits);
  if (field === "allowedModels") return values.allowedModels.join(", ") || "all models";
  if (field === "maxRequests") return values.maxRequests || "unlimited";
  if (field === "expiresAt") return values.expiresAt.replace("T", " ") || "never";
  return values[field] || "(empty)";
}
