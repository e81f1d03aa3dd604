import { Badge, Group, Progress, Stack, Text } from "@mantine/core";
import type { LimitStanding } from "@tollkeeper/client/v1/limit_service";
import type { ReactNode } from "react";
import { Time } from "../format/Time";
import { useZone } from "../url/zone";
import { barOf, levelOf, LEVELS, standingInWords } from "./standing";
import { MEASURES } from "./words";

interface Props {
  /** What it is of, in words. */
  title: ReactNode;
  /** How it stands; undefined while that is asked. */
  standing: LimitStanding | undefined;
}

/** How a limit stands: a bar of what is used and what is reserved, and the same in words. */
export function StandingBar({ title, standing }: Props) {
  const { color, words } = LEVELS[standing ? levelOf(standing) : "free"];
  const { used, reserved } = standing ? barOf(standing) : { used: 0, reserved: 0 };
  return (
    <Stack gap={4}>
      <Group justify="space-between" gap="xs">
        <Text component="div" size="sm" style={{ overflowWrap: "anywhere" }}>{title}</Text>
        {words && <Badge variant="dot" color={color} tt="none">{words}</Badge>}
      </Group>
      <Progress.Root size="md" aria-hidden>
        <Progress.Section value={used} color={color} withAria={false} />
        <Progress.Section value={reserved} color={color} striped withAria={false} opacity={0.55} />
      </Progress.Root>
      <Text size="sm" c="dimmed" className="tk-figures">
        {standing ? standingInWords(standing) : "…"}
        {standing && <Reset standing={standing} />}
      </Text>
    </Stack>
  );
}

/** When all of a budget may be used again, with the time zone. */
function Reset({ standing: { limit, resetsAt } }: { standing: LimitStanding }) {
  const zone = useZone();
  if (limit === undefined || MEASURES[limit.measure]?.kind !== "budget") return null;
  if (resetsAt === undefined) return " · never starts again";
  return <> · starts again <Time time={resetsAt} /> ({zone})</>;
}
