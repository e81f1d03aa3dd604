import type { Project } from "@tollkeeper/client/v1/project_service";
import { type LabelPair, labelPairs, tellLabels } from "../../shared/forms/LabelsInput";
import { type LimitRow, readLimits, tellLimits } from "../../shared/limits/rows";

/** The fields of a project's form. */
export type ProjectValues = {
  name: string;
  description: string;
  /** null as long as the key is to stay as it is. */
  openaiApiKey: string | null;
  limits: LimitRow[];
  labels: LabelPair[];
};

export const valuesOf = (project: Project | undefined): ProjectValues => ({
  name: project?.name ?? "",
  description: project?.description ?? "",
  openaiApiKey: null,
  limits: readLimits(project?.limits),
  labels: labelPairs(project?.labels),
});

/** How people read a value where two versions stand beside each other; the key is not told. */
export function tell(field: keyof ProjectValues, values: ProjectValues): string {
  if (field === "labels") return tellLabels(values.labels);
  if (field === "limits") return tellLimits(values.limits);
  if (field === "openaiApiKey") return values.openaiApiKey === null ? "as stored" : values.openaiApiKey === "" ? "removed" : "replaced";
  return values[field] || "(empty)";
}
