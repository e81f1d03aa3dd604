import { Button, Group, Stack, TextInput } from "@mantine/core";
import { useZone } from "../../../shared/url/zone";
import { wallOf } from "../values";

const HOUR_MS = 3_600_000;
const CHOICES: readonly { label: string; hours: number }[] = [
  { label: "1 hour", hours: 1 },
  { label: "1 day", hours: 24 },
  { label: "7 days", hours: 168 },
  { label: "30 days", hours: 720 },
  { label: "90 days", hours: 2_160 },
  { label: "1 year", hours: 8_760 },
];

interface Props {
  value?: string;
  onChange: (value: string) => void;
  error?: React.ReactNode;
  "data-path"?: string;
}

/** When a token expires, by the clocks of the page's zone: a time, or one of the usual lengths of time from now. */
export function ExpiryInput({ value = "", onChange, error, ...rest }: Props) {
  const zone = useZone();
  return (
    <Stack gap="xs">
      <TextInput
        {...rest}
        type="datetime-local"
        label="Expires"
        description={`By the clocks of ${zone}. Empty is never.`}
        value={value}
        error={error}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
      <Group gap={4} role="group" aria-label="Expires after">
        <Button size="compact-xs" variant={value === "" ? "filled" : "default"} aria-pressed={value === ""} onClick={() => onChange("")}>Never</Button>
        {CHOICES.map(({ label, hours }) => (
          <Button key={label} size="compact-xs" variant="default" onClick={() => onChange(wallOf(new Date(Date.now() + hours * HOUR_MS), zone))}>{label}</Button>
        ))}
      </Group>
    </Stack>
  );
}
