/** The kinds of things that have a list and pages of their own, and what tells one of them from the others. */
export const KINDS = {
  project: { title: "Project", many: "projects", list: "/projects", key: "id" },
  token: { title: "Token", many: "tokens", list: "/tokens", key: "id" },
  upstream: { title: "Upstream", many: "upstreams", list: "/upstreams", key: "name" },
  group: { title: "Group", many: "groups", list: "/groups", key: "name" },
  model: { title: "Model", many: "models", list: "/models", key: "name" },
  listener: { title: "Listener", many: "listeners", list: "/listeners", key: "name" },
} as const;

export type Kind = keyof typeof KINDS;

/** Say that nothing of a kind has this id or name. */
export const noneOf = (kind: Kind, id: string): string => `No ${kind} has the ${KINDS[kind].key} ${id}. It may have been deleted, or the address is mistyped.`;
