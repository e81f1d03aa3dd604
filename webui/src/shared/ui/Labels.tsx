import { Badge, Group, Text } from "@mantine/core";

/** The labels of a thing. */
export function Labels({ labels }: { labels: Readonly<Record<string, string>> }) {
  const all = Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1));
  if (all.length === 0) return <Text span c="dimmed" size="sm">none</Text>;
  return (
    <Group gap={4} component="span">
      {all.map(([name, value]) => (
        <Badge key={name} component="span" variant="default" tt="none" fw={400} maw="100%">{value === "" ? name : `${name} = ${value}`}</Badge>
      ))}
    </Group>
  );
}
