import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Text } from "@mantine/core";
import { useCallback, useSyncExternalStore } from "react";
import { useZone } from "../url/zone";
import { formatAgo, formatTime, toDate } from "./times";

interface Props {
  time: Timestamp | Date | undefined;
  /** What stands where there is no time. */
  none?: string;
  /** Whether the length of time from now stands there, and the time itself in the tooltip. */
  ago?: boolean;
}

/** A time in the time zone that the page shows. */
export function Time({ time, none = "never", ago = false }: Props) {
  const zone = useZone();
  if (!time) return <Text span c="dimmed" size="sm">{none}</Text>;
  const whole = `${formatTime(time, zone)} (${zone})`;
  return (
    <time dateTime={toDate(time).toISOString()} title={ago ? whole : formatAgo(time)} style={{ whiteSpace: "nowrap" }}>
      {ago ? <Ago time={time} /> : formatTime(time, zone)}
    </time>
  );
}

const SECOND_MS = 1_000;
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function everySecond(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    for (const it of listeners) it();
  }, SECOND_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** The length of time from now, which goes on while it is shown. */
function Ago({ time }: { time: Timestamp | Date }) {
  return useSyncExternalStore(everySecond, useCallback(() => formatAgo(time), [time]));
}
