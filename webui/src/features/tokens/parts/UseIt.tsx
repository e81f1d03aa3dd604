import { Text } from "@mantine/core";
import type { Token } from "@tollkeeper/client/v1/token_service";
import { useDataUrl } from "../../../shared/api/dataUrl";
import { useSampleModel } from "../../../shared/pickers/useSampleModel";
import { CallSnippets } from "../../../shared/ui/CallSnippets";
import { Section } from "../../../shared/ui/Section";

/** How applications call the gateway with a token. Its secret stands in OPENAI_API_KEY: nobody but its owner has it. */
export function UseIt({ token }: { token: Token }) {
  const dataUrl = useDataUrl();
  const sample = useSampleModel(token.allowedModels);
  return (
    <Section title="Use it">
      <Text size="sm" c="dimmed">The secret was shown once. Put it into the environment variable OPENAI_API_KEY; who lost it rotates the token.</Text>
      <CallSnippets baseUrl={`${dataUrl}/v1`} sample={sample} />
    </Section>
  );
}
