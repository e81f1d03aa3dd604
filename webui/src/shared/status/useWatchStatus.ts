import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { StatusService, type WatchStatusResponse } from "@tollkeeper/client/v1/status_service";
import { useCallback, useMemo } from "react";
import { type StreamState, useStream } from "../api/useStream";

// The call goes on until the page leaves it.
const NO_TIMEOUT = 0;

/** Follow how the process that answers is; `take` gets each message. */
export function useWatchStatus(take: (message: WatchStatusResponse) => void): StreamState {
  const transport = useTransport();
  const client = useMemo(() => createClient(StatusService, transport), [transport]);
  const open = useCallback((signal: AbortSignal) => client.watchStatus({}, { signal, timeoutMs: NO_TIMEOUT }), [client]);
  return useStream(open, take);
}
