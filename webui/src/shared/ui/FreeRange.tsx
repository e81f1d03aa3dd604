import { Button, Popover, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { formatTime } from "../format/times";
import { fromWall, toWall } from "../format/wall";
import type { Range } from "../url/range";
import { useZone } from "../url/zone";

const MINUTE_LETTERS = "2026-11-28T14:05".length;

interface FreeProps {
  range: Range;
  /** Whether the range is one of two times, and not one with a name. */
  chosen: boolean;
  onChange: (range: Range) => void;
}

/** A range from one time to another, by the clocks of the page's zone. */
export function FreeRange({ range, chosen, onChange }: FreeProps) {
  const zone = useZone();
  const [opened, setOpened] = useState(false);
  return (
    <Popover opened={opened} onChange={setOpened} trapFocus returnFocus position="bottom-end" shadow="md">
      <Popover.Target>
        <Button size="xs" variant={chosen ? "light" : "default"} aria-expanded={opened} onClick={() => setOpened(!opened)}>
          {chosen ? `${formatTime(range.start, zone)} – ${formatTime(range.end, zone)}` : "From … to …"}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Range from one time to another">
        <Times range={range} zone={zone} onDone={(it) => { setOpened(false); onChange(it); }} />
      </Popover.Dropdown>
    </Popover>
  );
}

function Times({ range, zone, onDone }: { range: Range; zone: string; onDone: (range: Range) => void }) {
  const [from, setFrom] = useState(() => toWall(range.start, zone).slice(0, MINUTE_LETTERS));
  const [to, setTo] = useState(() => toWall(range.end, zone).slice(0, MINUTE_LETTERS));
  const [start, end] = [fromWall(from, zone), fromWall(to, zone)];
  const isRange = start !== undefined && end !== undefined && start < end;
  return (
    <form onSubmit={(event) => { event.preventDefault(); if (isRange) onDone({ start, end }); }}>
      <Stack gap="xs">
        <TextInput type="datetime-local" label="From" value={from} onChange={(event) => setFrom(event.currentTarget.value)} />
        <TextInput
          type="datetime-local"
          label="To"
          value={to}
          error={isRange ? undefined : "Must be after the first"}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Text size="xs" c="dimmed">By the clocks of {zone}.</Text>
        <Button type="submit" size="xs" disabled={!isRange}>Show</Button>
      </Stack>
    </form>
  );
}
