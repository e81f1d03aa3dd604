import { Button, Center, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** Where nothing is yet: what would stand here, and the one thing to do. */
export function EmptyState({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <Center py="xl">
      <Stack align="center" gap="xs" maw={480} ta="center">
        <Title order={3} size="h4">{title}</Title>
        <Text component="div" c="dimmed" size="sm">{children}</Text>
        {action}
      </Stack>
    </Center>
  );
}

/** Where filters leave nothing out of something. */
export function NoMatch({ clear }: { clear: () => void }) {
  return (
    <EmptyState title="Nothing matches" action={<Button variant="default" onClick={clear}>Clear filters</Button>}>
      Nothing here meets all of these filters.
    </EmptyState>
  );
}
