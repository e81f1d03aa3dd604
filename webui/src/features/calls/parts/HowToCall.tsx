import { Box } from "@mantine/core";
import { useDataUrl } from "../../../shared/api/dataUrl";
import { useSampleModel } from "../../../shared/pickers/useSampleModel";
import { CallSnippets } from "../../../shared/ui/CallSnippets";

/** A call of the gateway, ready to be copied. */
export function HowToCall() {
  const baseUrl = `${useDataUrl()}/v1`;
  const sample = useSampleModel([]);
  return <Box maw={720} mx="auto" w="100%"><CallSnippets baseUrl={baseUrl} sample={sample} /></Box>;
}
