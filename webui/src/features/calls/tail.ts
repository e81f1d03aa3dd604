import type { UsageEvent } from "@tollkeeper/client/v1/usage_service";

/** The latest calls as they come. Nothing in it grows without bound. */
export interface Tail {
  /** Those that are shown, the latest first. */
  shown: readonly UsageEvent[];
  /** Those that wait while nobody wants the list to move, the latest first; the oldest of them go first. */
  held: readonly UsageEvent[];
  /** How many came while the list was held. */
  fresh: number;
  /** How many the gateway left out, because they were taken too late. */
  dropped: number;
}

export interface Arrived {
  events: readonly UsageEvent[];
  /** They stand for the earlier ones of their ids. */
  amended: readonly UsageEvent[];
  dropped: bigint;
}

export const EMPTY: Tail = { shown: [], held: [], fresh: 0, dropped: 0 };

/** More rows than these make a page slow, and nobody reads them as they pass. */
export const MOST = 200;

/** Return the tail with what arrived, in front of what is shown, or behind the pill if the list is held. */
export function withArrived(tail: Tail, { events, amended, dropped }: Arrived, holding: boolean): Tail {
  const latest = events.toReversed();
  const surer = new Map(amended.map((it) => [it.id, it]));
  const amend = (all: readonly UsageEvent[]) => (surer.size === 0 ? all : all.map((it) => surer.get(it.id) ?? it));
  const grown = holding
    ? { shown: tail.shown, held: [...latest, ...tail.held].slice(0, MOST), fresh: tail.fresh + events.length }
    : { shown: [...latest, ...tail.held, ...tail.shown].slice(0, MOST), held: [], fresh: 0 };
  return { ...grown, shown: amend(grown.shown), held: amend(grown.held), dropped: tail.dropped + Number(dropped) };
}

/** Return the tail with all that waited in front. */
export const released = (tail: Tail): Tail =>
  tail.fresh === 0 ? tail : { ...tail, shown: [...tail.held, ...tail.shown].slice(0, MOST), held: [], fresh: 0 };

/** Return the calls of a tail, and those that were stored before it began, each once. */
export function withEarlier(shown: readonly UsageEvent[], earlier: readonly UsageEvent[]): readonly UsageEvent[] {
  const known = new Set(shown.map((it) => it.id));
  return [...shown, ...earlier.filter((it) => !known.has(it.id))].slice(0, MOST);
}
