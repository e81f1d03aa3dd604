import { SegmentedControl } from "@mantine/core";
import { RANGES, type RangeName } from "../url/range";

interface Props {
  value: RangeName | undefined;
  onChange: (value: RangeName) => void;
  /** The lengths of time to choose from. */
  names?: readonly RangeName[];
}

const USUAL_NAMES = RANGES.slice(0, 4);

/** The lengths of time that pages offer, ending now. */
export function RangePicker({ value, onChange, names = USUAL_NAMES }: Props) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="Range"
      value={value ?? ""}
      data={names.map((it) => ({ value: it, label: it }))}
      onChange={(it) => onChange(it as RangeName)}
    />
  );
}
