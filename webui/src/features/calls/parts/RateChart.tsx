import "uplot/dist/uPlot.min.css";
import { Box, Group, Text, useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useState } from "react";
import uPlot from "uplot";
import { formatCount } from "../../../shared/format/numbers";
import { formatClock } from "../../../shared/format/times";
import { ChartFrame } from "../../../shared/ui/ChartFrame";
import { useZone } from "../../../shared/url/zone";
import type { Rate } from "../rate";
import { Table } from "../../../shared/ui/Table";

const HEIGHT = 120;
const TABLE_SECONDS = 30;
const clockOf = (second: number, zone: string): string => formatClock(new Date(second * 1000), zone).slice(0, "14:05:09".length);
const variable = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function optionsFor(width: number, zone: string): uPlot.Options {
  const axis = { stroke: variable("--mantine-color-dimmed"), grid: { stroke: variable("--mantine-color-default-border"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    cursor: { show: false },
    legend: { show: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(most, 4)] } },
    axes: [{ ...axis, size: 28, space: 100, values: (_, splits) => splits.map((it) => clockOf(it, zone)) }, { ...axis, size: 40, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] }],
    series: [
      {},
      { stroke: variable("--mantine-color-indigo-5"), fill: `${variable("--mantine-color-indigo-5")}33`, width: 2, points: { show: false } },
      { stroke: variable("--mantine-color-red-6"), width: 2, dash: [4, 3], points: { show: false } },
    ],
  };
}

function dataOf({ second, calls, failures }: Rate): uPlot.AlignedData {
  return [calls.map((_, index) => second - calls.length + 1 + index), [...calls], [...failures]];
}

/** Calls and failures in each of the latest seconds. */
export function RateChart({ rate }: { rate: Rate }) {
  const zone = useZone();
  return (
    <ChartFrame
      label="Calls per second"
      chart={<Plot rate={rate} zone={zone} />}
      table={
        <Table.Scroll label="Figures: calls per second" mah={HEIGHT * 2}>
          <Table aria-label="Calls per second" stickyHeader>
            <Table.Thead><Table.Tr><Table.Th>Second</Table.Th><Table.Th ta="right">Calls</Table.Th><Table.Th ta="right">Failed</Table.Th></Table.Tr></Table.Thead>
            <Table.Tbody>
              {rate.calls.slice(-TABLE_SECONDS).map((calls, index) => {
                const at = rate.second - TABLE_SECONDS + 1 + index;
                return (
                  <Table.Tr key={at}>
                    <Table.Td>{clockOf(at, zone)}</Table.Td>
                    <Table.Td ta="right">{formatCount(calls)}</Table.Td>
                    <Table.Td ta="right">{formatCount(rate.failures[rate.failures.length - TABLE_SECONDS + index] ?? 0)}</Table.Td>
                  </Table.Tr>
                );
              }).toReversed()}
            </Table.Tbody>
          </Table>
        </Table.Scroll>
      }
    />
  );
}

function Plot({ rate, zone }: { rate: Rate; zone: string }) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const [target, setTarget] = useState<HTMLDivElement | null>(null);
  const [plot, setPlot] = useState<uPlot>();
  const scheme = useComputedColorScheme();
  const wide = Math.floor(width);
  useEffect(() => {
    if (target === null || wide === 0) return undefined;
    // Another scheme has other colours, and a canvas keeps those that it was drawn with.
    void scheme;
    const made = new uPlot(optionsFor(wide, zone), [[], [], []], target);
    setPlot(made);
    return () => made.destroy();
  }, [target, wide, zone, scheme]);
  useEffect(() => plot?.setData(dataOf(rate)), [plot, rate]);
  return (
    <Box ref={ref}>
      <Box ref={setTarget} h={HEIGHT} />
      <Group gap="md" justify="center">
        <Text size="xs" c="dimmed">— calls per second</Text>
        <Text size="xs" c="dimmed">- - failed</Text>
      </Group>
    </Box>
  );
}
