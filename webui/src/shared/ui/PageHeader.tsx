import { Group, Stack, Text, Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import { type ReactNode, useEffect, useRef } from "react";
import { arrives } from "./arrival";

interface Props {
  title: string;
  description?: ReactNode;
  /** What can be done here; the most usual is the last. */
  actions?: ReactNode;
}

/** The head of a page: its name, which is the window's too, and its actions. */
export function PageHeader({ title, description, actions }: Props) {
  useDocumentTitle(`${title} · Tollkeeper`);
  const heading = useRef<HTMLHeadingElement>(null);
  // Those who hear the page begin at its heading. A dialog keeps the focus.
  useEffect(() => {
    if (arrives() && !document.querySelector("[role=dialog]")) heading.current?.focus();
  }, []);
  return (
    <Group justify="space-between" align="start" gap="sm">
      <Stack gap={2} miw={0} flex="1 1 240px">
        <Title order={2} tabIndex={-1} ref={heading}>{title}</Title>
        {description !== undefined && <Text component="div" c="dimmed" size="sm">{description}</Text>}
      </Stack>
      {actions !== undefined && <Group gap="xs">{actions}</Group>}
    </Group>
  );
}
