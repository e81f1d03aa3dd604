import { Paper, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

interface Props {
  title: string;
  /** What is in it, in a few words. */
  hint?: string | undefined;
  opened?: boolean;
  children: ReactNode;
}

/** A part of a form that few need, folded up. */
export function Fold({ title, hint, opened = false, children }: Props) {
  return (
    <Paper component="details" withBorder p="sm" {...(opened ? { open: true } : {})}>
      <summary style={{ cursor: "pointer" }}>
        <Text span fw={600} size="sm">{title}</Text>
        {hint && <Text span c="dimmed" size="sm"> · {hint}</Text>}
      </summary>
      <Stack gap="sm" mt="sm">{children}</Stack>
    </Paper>
  );
}
