import { Stack, Text } from "@mantine/core";
import { EmptyState } from "./EmptyState";
import { type Kind, KINDS, noneOf } from "./kinds";
import { AnchorLink, ButtonLink } from "./links";
import { PageHeader } from "./PageHeader";

/** The page of something that does not exist. */
export function NoSuch({ kind, id }: { kind: Kind; id: string }) {
  const { title, many, list } = KINDS[kind];
  return (
    <Stack>
      <PageHeader title={title} />
      <EmptyState title={`There is no such ${kind}`} action={<ButtonLink to={list}>To the {many}</ButtonLink>}>
        <Text span size="sm" style={{ overflowWrap: "anywhere" }}>{noneOf(kind, id)}</Text>
      </EmptyState>
    </Stack>
  );
}

/** The way from the page of one thing to the list of all. */
export function ToList({ kind }: { kind: Kind }) {
  return <AnchorLink to={KINDS[kind].list}>← {KINDS[kind].title}s</AnchorLink>;
}
