import { ActionIcon, Code, CopyButton, Group } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";

/** A text such as an id, with a button that copies it. */
export function CopyText({ value, label, shown }: { value: string; label: string; shown?: string }) {
  return (
    <Group gap={4} wrap="nowrap" display="inline-flex">
      <Code style={{ overflowWrap: "anywhere" }}>{shown ?? value}</Code>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <ActionIcon size="sm" variant="subtle" aria-label={copied ? "Copied" : label} title={label} onClick={copy}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        )}
      </CopyButton>
    </Group>
  );
}
