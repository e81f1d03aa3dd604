import { Box, SegmentedControl, Stack } from "@mantine/core";
import { type ReactNode, useState } from "react";

interface Props {
  label: string;
  chart: ReactNode;
  /** The same figures as a table: how people with a keyboard or a screen reader get at them. */
  table: ReactNode;
}

/** A chart and its figures. */
export function ChartFrame({ label, chart, table }: Props) {
  const [shown, setShown] = useState<"chart" | "table">("chart");
  return (
    <Stack gap="xs">
      <SegmentedControl
        size="xs"
        aria-label={`${label} as`}
        style={{ alignSelf: "end" }}
        value={shown}
        data={[{ value: "chart", label: "Chart" }, { value: "table", label: "Table" }]}
        onChange={(it) => setShown(it as "chart" | "table")}
      />
      {shown === "chart" ? <Box role="img" aria-label={`${label}; the table has the figures`}>{chart}</Box> : table}
    </Stack>
  );
}
