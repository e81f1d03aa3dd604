import { createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { UsageService, type WatchUsageEventsResponse } from "@tollkeeper/client/v1/usage_service";
import { useCallback, useEffect, useEffectEvent, useMemo, useRef, useState } from "react";
import { type StreamState, useStream } from "../../shared/api/useStream";
import { type CallFilters, fieldsOf } from "../../shared/usage/filters";
import { counted, noRate, type Rate } from "./rate";
import { type Arrived, EMPTY, released, type Tail, withArrived } from "./tail";

/** The page is drawn this often at most, however many calls come. */
const DRAWN_EACH_MS = 250;

interface LiveTail {
  tail: Tail;
  rate: Rate;
  stream: StreamState;
  /** Show what waited. */
  release: () => void;
}

/** Follow the calls that match filters. While `holding`, the list stands still, and what comes waits. */
export function useTail(filters: CallFilters, requestId: string | undefined, holding: boolean): LiveTail {
  const client = useUsageClient();
  const key = JSON.stringify([filters, requestId]);
  const [tail, setTail] = useState<Tail>(EMPTY);
  const [rate, setRate] = useState<Rate>(() => noRate(Date.now()));
  const waiting = useRef<WatchUsageEventsResponse[]>([]);
  const lastId = useRef("");
  const open = useCallback(
    (signal: AbortSignal) => {
      const [wanted, request] = JSON.parse(key) as [CallFilters, string | null];
      // The stream goes on as long as the page does: the usual time for a call is no bound for it.
      return client.watchUsageEvents({ ...fieldsOf(wanted), requestId: request ?? "", afterId: lastId.current }, { signal, timeoutMs: 0 });
    },
    [client, key],
  );
  // Other filters begin another list; after an interruption the same one goes on behind the last call.
  useEffect(() => {
    lastId.current = "";
    waiting.current = [];
    setTail(EMPTY);
    setRate(noRate(Date.now()));
  }, [key]);
  const stream = useStream(open, (message) => {
    lastId.current = message.lastId || lastId.current;
    waiting.current.push(message);
  });
  const draw = useEffectEvent(() => {
    const messages = waiting.current;
    waiting.current = [];
    const now = Date.now();
    setRate((old) => counted(old, messages.flatMap((it) => it.events), now));
    if (messages.length > 0) setTail((old) => messages.reduce((grown: Tail, it: Arrived) => withArrived(grown, it, holding), old));
  });
  useEffect(() => {
    const timer = setInterval(draw, DRAWN_EACH_MS);
    return () => clearInterval(timer);
  }, []);
  return { tail, rate, stream, release: () => setTail(released) };
}

function useUsageClient() {
  const transport = useTransport();
  return useMemo(() => createClient(UsageService, transport), [transport]);
}
