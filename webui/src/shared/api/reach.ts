import { useEffect, useEffectEvent, useSyncExternalStore } from "react";

let lost = false;
const listeners = new Set<() => void>();

function become(next: boolean): void {
  if (next === lost) return;
  lost = next;
  for (const listener of listeners) listener();
}

/** Whether the gateway answers, as the last question to it has shown. */
export const reach = {
  isLost: (): boolean => lost,
  lost: (): void => become(true),
  back: (): void => become(false),
};

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

export const useIsLost = (): boolean => useSyncExternalStore(subscribe, reach.isLost);

/** Do something when the gateway answers again after it was lost. */
export function useBack(then: () => void): void {
  const done = useEffectEvent(then);
  useEffect(() => subscribe(() => { if (!reach.isLost()) done(); }), []);
}
