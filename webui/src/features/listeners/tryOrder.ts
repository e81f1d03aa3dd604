import type { ExplainedMember } from "@tollkeeper/client/v1/configuration_service";

type Member = Pick<ExplainedMember, "score" | "isAvailable" | "isChosen">;

/** A member, and its place in the order of tries from 1; undefined if chance or weights decide, or it is not available. */
export interface Tried<Row> {
  member: Row;
  place: number | undefined;
}

/** Return members in the order in which a strategy would try them if each fails; those that are not available are last. */
export function tryOrder<Row extends Member>(members: readonly Row[], strategy: string): Tried<Row>[] {
  const chosen = members.findIndex((it) => it.isChosen);
  const turned = chosen > 0 && strategy === "round_robin" ? [...members.slice(chosen), ...members.slice(0, chosen)] : [...members];
  const available = turned.filter((it) => it.isAvailable);
  if (strategy === "response_aware") available.sort((one, other) => one.score - other.score);
  const first = available.filter((it) => it.isChosen);
  const ordered = [...first, ...available.filter((it) => !it.isChosen)];
  const isKnown = ["round_robin", "response_aware", "failover"].includes(strategy);
  return [
    ...ordered.map((member, at) => ({ member, place: at < first.length || isKnown || ordered.length === first.length + 1 ? at + 1 : undefined })),
    ...turned.filter((it) => !it.isAvailable).map((member) => ({ member, place: undefined })),
  ];
}
