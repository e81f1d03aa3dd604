import { Modal } from "@mantine/core";
import { useDataUrl } from "../../../shared/api/dataUrl";
import { snippetsFor } from "../../../shared/ui/snippets";
import { SnippetTabs } from "../../../shared/ui/SnippetTabs";
import { bodyOf, type ChatRequest } from "../chat";

interface Props {
  request: Omit<ChatRequest, "token">;
  onClose: () => void;
}

/** The same call in curl, Python and TypeScript. Who was given the token's secret has it in OPENAI_API_KEY. */
export function CopyDialog({ request, onClose }: Props) {
  const snippets = snippetsFor({ baseUrl: `${useDataUrl()}/v1`, model: request.model, body: bodyOf(request) }).slice(0, 3);
  return <Modal opened onClose={onClose} title="The same call elsewhere" size="lg"><SnippetTabs snippets={snippets} /></Modal>;
}
