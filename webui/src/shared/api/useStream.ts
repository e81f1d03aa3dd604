import { ConnectError } from "@connectrpc/connect";
import { useEffect, useEffectEvent, useState } from "react";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;

export interface StreamState {
  /** Whether messages arrive: false before the first answer, after a failure, and while paused or hidden. */
  live: boolean;
  error: ConnectError | undefined;
}

/**
 * Read a server stream while the page is visible, and begin anew when it ends, with growing waits.
 *
 * `open` begins the stream and must be stable (useCallback): another one begins another stream. `take` gets each message.
 */
export function useStream<Message>(
  open: ((signal: AbortSignal) => AsyncIterable<Message>) | undefined,
  take: (message: Message) => void,
): StreamState {
  const [state, setState] = useState<StreamState>({ live: false, error: undefined });
  const taken = useEffectEvent(take);
  useEffect(() => {
    if (!open) {
      setState({ live: false, error: undefined });
      return undefined;
    }
    let abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let wait = FIRST_WAIT_MS;
    const run = async () => {
      abort = new AbortController();
      const { signal } = abort;
      try {
        for await (const message of open(signal)) {
          if (signal.aborted) return;
          wait = FIRST_WAIT_MS;
          setState((old) => (old.live && !old.error ? old : { live: true, error: undefined }));
          taken(message);
        }
        if (!signal.aborted) setState({ live: false, error: undefined });
      } catch (error) {
        if (signal.aborted) return;
        setState({ live: false, error: ConnectError.from(error) });
      }
      if (signal.aborted) return;
      timer = setTimeout(() => void run(), wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    };
    const stop = () => {
      clearTimeout(timer);
      abort.abort();
    };
    // Over HTTP/1.1 a browser opens six connections to a host: a hidden page gives its own back.
    const follow = () => {
      stop();
      if (document.visibilityState === "visible") void run();
      else setState({ live: false, error: undefined });
    };
    follow();
    document.addEventListener("visibilitychange", follow);
    return () => {
      document.removeEventListener("visibilitychange", follow);
      stop();
    };
  }, [open]);
  return state;
}
