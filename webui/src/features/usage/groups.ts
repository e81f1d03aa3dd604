import { UsageGroup, type UsageRow } from "@tollkeeper/client/v1/usage_service";
import type { FilterName } from "../../shared/usage/filters";

interface Grouped {
  label: string;
  /** How one of the groups is called. */
  one: string;
  group: UsageGroup;
  keyOf: (row: UsageRow) => string;
  nameOf: (row: UsageRow) => string;
  /** What stands for the group of calls that have none. */
  none: string;
  /** The filter that leaves one group alone. */
  filter: FilterName;
}

const same = (keyOf: (row: UsageRow) => string) => ({ keyOf, nameOf: keyOf });

/** What calls can be grouped by besides time, by the name that addresses have for it. */
export const GROUPS = {
  project: {
    label: "Project",
    one: "project",
    group: UsageGroup.PROJECT,
    keyOf: (it) => it.projectId,
    nameOf: (it) => it.projectName || it.projectId,
    none: "no project",
    filter: "project",
  },
  token: {
    label: "Token",
    one: "token",
    group: UsageGroup.TOKEN,
    keyOf: (it) => it.tokenId,
    nameOf: (it) => it.tokenName || it.tokenId,
    none: "no token",
    filter: "token",
  },
  model: { label: "Model", one: "model", group: UsageGroup.MODEL, ...same((it) => it.model), none: "no model", filter: "model" },
  upstream: { label: "Upstream", one: "upstream", group: UsageGroup.UPSTREAM, ...same((it) => it.upstream), none: "no upstream", filter: "upstream" },
  endpoint: { label: "Endpoint", one: "endpoint", group: UsageGroup.ENDPOINT, ...same((it) => it.endpoint), none: "no endpoint", filter: "endpoint" },
  status: { label: "Status", one: "class of status", group: UsageGroup.STATUS_CLASS, ...same((it) => it.statusClass), none: "no status", filter: "status" },
  error: { label: "Error", one: "error", group: UsageGroup.ERROR_CODE, ...same((it) => it.errorCode), none: "no error of the gateway", filter: "error" },
} satisfies Record<string, Grouped>;

export type GroupName = keyof typeof GROUPS;
export const GROUP_NAMES = Object.keys(GROUPS) as GroupName[];
export const groupOf = (name: GroupName): Grouped => GROUPS[name];

export const REST = "the rest";

/** Return a function that names the groups of rows. Two of one name have their keys added, so that they stay apart. */
export function namesFor(rows: readonly UsageRow[], group: Grouped): (row: UsageRow) => string {
  const keys = new Map<string, Set<string>>();
  for (const row of rows) if (!row.isRest) keys.set(group.nameOf(row), (keys.get(group.nameOf(row)) ?? new Set()).add(group.keyOf(row)));
  return (row) => {
    if (row.isRest) return REST;
    const name = group.nameOf(row);
    if (name === "") return group.none;
    return (keys.get(name)?.size ?? 0) > 1 ? `${name} (${group.keyOf(row)})` : name;
  };
}
