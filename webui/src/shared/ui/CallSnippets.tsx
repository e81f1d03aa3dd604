import { Skeleton, Stack, Text } from "@mantine/core";
import type { Sample } from "../pickers/useSampleModel";
import { AnchorLink } from "./links";
import { snippetsFor } from "./snippets";
import { SnippetTabs } from "./SnippetTabs";

interface Props {
  /** The base URL that clients of OpenAI take, with /v1 at its end. */
  baseUrl: string;
  secret?: string;
  sample: Sample;
  /** Whether a link may lead away from here. */
  mayLeave?: boolean;
}

/** A first call with a model that exists, in the ways that people make it; without one, what is missing. */
export function CallSnippets({ baseUrl, secret, sample: { model, isKnown }, mayLeave = true }: Props) {
  if (!isKnown) return <Skeleton h={180} />;
  const all = snippetsFor({ baseUrl, model: model ?? "", ...(secret === undefined ? {} : { secret }) });
  if (model !== undefined) return <SnippetTabs key="calls" snippets={all} />;
  return (
    <Stack gap="xs">
      <Text size="sm">
        No model is found whose name a call could have here. {mayLeave ? <AnchorLink to="/models" search={{ act: "new" }} underline="always">Name a model</AnchorLink> : "Name one under Models"} first.
      </Text>
      <SnippetTabs key="environment" snippets={all.filter((it) => it.name === "environment")} />
    </Stack>
  );
}
