import { useState } from "react";
import { type FollowedPorts, followPorts } from "./follow";
import { useWatchStatus } from "./useWatchStatus";

interface ListenerStatuses {
  /** The ports of the process that answers, by name: its own, and those of active listeners; undefined before the first answer. */
  all: FollowedPorts | undefined;
  /** Whether changes arrive; what was known stays while they don't. */
  live: boolean;
  error: unknown;
}

/** Follow how ports are, live. */
export function useListenerStatus(): ListenerStatuses {
  const [all, setAll] = useState<FollowedPorts>();
  const { live, error } = useWatchStatus((message) => setAll((before) => followPorts(before ?? new Map(), message)));
  return { all, live, error };
}
