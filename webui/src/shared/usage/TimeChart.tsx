import "@mantine/charts/styles.layer.css";
import { BarChart, LineChart } from "@mantine/charts";
import { formatTime } from "../format/times";
import { ChartFrame } from "../ui/ChartFrame";
import type { Bucket } from "./buckets";
import type { Series } from "./series";
import { Table } from "../ui/Table";

const COLORS = ["indigo.6", "teal.6", "orange.6", "grape.6", "cyan.6", "pink.6", "lime.7", "yellow.7", "violet.4", "blue.8"];
/** What has a colour of its own on every page. */
const OWN_COLORS = new Map([["failed", "red.6"], ["the rest", "gray.5"], ["the time before", "gray.5"]]);
const HEIGHT = 260;
const DAY_MS = 86_400_000;
/** The room of the axis that has the values, in pixels. */
const LEAST_WIDTH = 48;
const LETTER_WIDTH = 9;

interface Props {
  label: string;
  series: Series;
  bucket: Bucket;
  zone: string;
  /** How a figure is written in the table. */
  format: (value: number) => string;
  /** How it is written at the axis. */
  tick: (value: number) => string;
  /** Whether values are parts of a whole, which stand on one another; beside one another; or times, which make lines. */
  form?: "stacked" | "beside" | "lines";
  height?: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function labelOf(time: Date, bucket: Bucket, zone: string, long: boolean): string {
  const isClock = bucket === "minute" || bucket === "hour";
  const key = `${isClock} ${bucket === "month"} ${long} ${zone}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat("en-GB", {
      ...(isClock ? { hour: "2-digit", minute: "2-digit" } : {}),
      ...(bucket === "month" ? { month: "short", year: "numeric" } : !isClock || long ? { day: "numeric", month: "short" } : {}),
      timeZone: zone,
    });
    formats.set(key, format);
  }
  return format.format(time);
}

/** Series over time as bars or lines, and as a table. */
export function TimeChart({ label, series, bucket, zone, format, tick, form = "stacked", height = HEIGHT }: Props) {
  const [first, last] = [series.rows[0]?.time, series.rows.at(-1)?.time];
  const long = first !== undefined && last !== undefined && last.getTime() - first.getTime() > DAY_MS;
  // A name may be any text; the chart takes dots in it for a path. A line has no point where nothing was.
  const none = form === "lines" ? null : 0;
  const highest = Math.max(0, ...series.rows.map(({ values }) => series.names.reduce((sum, it) => sum + (values[it] ?? 0), 0)));
  const longest = Math.max(...[1, 2, 4].map((part) => tick(highest / part).length));
  const shared = {
    h: height,
    data: series.rows.map(({ time, values }) => ({
      time: labelOf(time, bucket, zone, long),
      ...Object.fromEntries(series.names.map((name, index) => [`s${index}`, values[name] || none])),
    })),
    dataKey: "time",
    series: series.names.map((name, index) => ({
      name: `s${index}`,
      label: name,
      color: OWN_COLORS.get(name) ?? COLORS[index % COLORS.length] ?? "gray.6",
    })),
    withLegend: series.names.length > 1,
    legendProps: { verticalAlign: "bottom" as const },
    valueFormatter: format,
    yAxisProps: { tickFormatter: tick, width: Math.max(LEAST_WIDTH, longest * LETTER_WIDTH), allowDecimals: false, interval: 0 },
    xAxisProps: { minTickGap: 24 },
  };
  const filled = series.rows.filter(({ values }) => series.names.some((it) => values[it]));
  return (
    <ChartFrame
      label={label}
      chart={
        form === "lines" ? (
          <LineChart {...shared} curveType="linear" connectNulls={false} dotProps={{ r: 2 }} lineProps={{ isAnimationActive: false }} />
        ) : (
          <BarChart {...shared} type={form === "stacked" ? "stacked" : "default"} barProps={{ isAnimationActive: false }} maxBarWidth={40} />
        )
      }
      table={
        <Table.Scroll label={`Figures: ${label}`} mah={height + 40}>
          <Table aria-label={label} stickyHeader>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>From</Table.Th>
                {series.names.map((it) => <Table.Th key={it} ta="right">{it}</Table.Th>)}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {filled.map(({ time, values }) => (
                <Table.Tr key={time.getTime()}>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>{formatTime(time, zone)}</Table.Td>
                  {series.names.map((it) => <Table.Td key={it} ta="right">{format(values[it] ?? 0)}</Table.Td>)}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.Scroll>
      }
    />
  );
}
