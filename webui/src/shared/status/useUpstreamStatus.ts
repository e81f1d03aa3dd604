import { useState } from "react";
import { type Followed, follow } from "./follow";
import { useWatchStatus } from "./useWatchStatus";

interface UpstreamStatuses {
  /** How active upstreams are as the process that answers sees them, by name; undefined before the first answer. */
  all: Followed | undefined;
  /** Whether changes arrive; what was known stays while they don't. */
  live: boolean;
  error: unknown;
}

/** Follow how upstreams are, live. */
export function useUpstreamStatus(): UpstreamStatuses {
  const [all, setAll] = useState<Followed>();
  const { live, error } = useWatchStatus((message) => setAll((before) => follow(before ?? new Map(), message)));
  return { all, live, error };
}
