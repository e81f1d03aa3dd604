import { Box, Progress, Text } from "@mantine/core";
import { formatCount, formatShort } from "../format/numbers";

interface Props {
  count: bigint;
  /** 0 is unlimited. */
  limit: bigint;
  /** Whether all digits are written. */
  whole?: boolean;
}

const NEARLY = 0.9;

/** Requests that were admitted, of those that may be. */
export function RequestCount({ count, limit, whole = false }: Props) {
  const write = whole ? formatCount : formatShort;
  if (limit === 0n) return <Text span size="sm" className="tk-figures">{write(count)}</Text>;
  const share = Math.min(Number(count) / Number(limit), 1);
  return (
    <Box miw={96}>
      <Text span size="sm" className="tk-figures">{`${write(count)} of ${write(limit)}`}</Text>
      <Progress
        size="xs"
        mt={2}
        value={share * 100}
        color={share >= 1 ? "red" : share >= NEARLY ? "yellow" : "indigo"}
        aria-label={`${formatCount(count)} of ${formatCount(limit)} requests`}
      />
    </Box>
  );
}
