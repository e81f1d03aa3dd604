import type { ListenerStatus, UpstreamStatus, WatchStatusResponse } from "@tollkeeper/client/v1/status_service";

/** How upstreams are, by name. */
export type Followed = ReadonlyMap<string, UpstreamStatus>;
/** How ports are, by the names of listeners. */
export type FollowedPorts = ReadonlyMap<string, ListenerStatus>;

type Message = Pick<WatchStatusResponse, "isStart" | "upstreams" | "removedUpstreams">;
type PortMessage = Pick<WatchStatusResponse, "isStart" | "listeners" | "removedListeners">;

/** Return how upstreams are after a message of WatchStatus: what it does not name is as it was. */
export const follow = (before: Followed, { isStart, upstreams, removedUpstreams }: Message): Followed =>
  after(before, isStart, upstreams, removedUpstreams);

/** Return how ports are after a message of WatchStatus. */
export const followPorts = (before: FollowedPorts, { isStart, listeners, removedListeners }: PortMessage): FollowedPorts =>
  after(before, isStart, listeners, removedListeners);

function after<It extends { name: string }>(
  before: ReadonlyMap<string, It>,
  isStart: boolean,
  told: readonly It[],
  removed: readonly string[],
): ReadonlyMap<string, It> {
  if (!isStart && told.length === 0 && removed.length === 0) return before;
  const known = new Map(isStart ? [] : before);
  for (const it of told) known.set(it.name, it);
  for (const name of removed) known.delete(name);
  return known;
}
