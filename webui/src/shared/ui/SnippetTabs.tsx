import { Button, Code, CopyButton, Stack, Tabs } from "@mantine/core";
import type { Snippet } from "./snippets";

/** Ready pieces of code, each to copy. */
export function SnippetTabs({ snippets }: { snippets: readonly Snippet[] }) {
  return (
    <Tabs defaultValue={snippets[0]?.name ?? null}>
      <Tabs.List>{snippets.map(({ name }) => <Tabs.Tab key={name} value={name}>{name}</Tabs.Tab>)}</Tabs.List>
      {snippets.map(({ name, text }) => (
        <Tabs.Panel key={name} value={name} pt="xs">
          <Stack gap="xs" align="end">
            <Code block w="100%" tabIndex={0} aria-label={name}>{text}</Code>
            <Copy value={text} label={`Copy ${name}`} />
          </Stack>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}

export function Copy({ value, label }: { value: string; label: string }) {
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => <Button variant="default" size="xs" onClick={copy}>{copied ? "Copied" : label}</Button>}
    </CopyButton>
  );
}
