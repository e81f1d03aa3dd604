import { Alert, Button, Code, Group, Modal, Stack, Text } from "@mantine/core";
import type { Sample } from "../pickers/useSampleModel";
import { CallSnippets } from "./CallSnippets";
import { Copy } from "./SnippetTabs";

interface Props {
  /** The secret of a token; undefined closes the dialog. */
  secret: string | undefined;
  /** Where applications call the gateway, such as http://127.0.0.1:3000. */
  dataUrl: string;
  sample: Sample;
  onClose: () => void;
}

/** A token's secret, shown this once, with what to do with it. Only "I stored it" closes the dialog. */
export function SecretOnce({ secret, dataUrl, sample, onClose }: Props) {
  return (
    <Modal opened={secret !== undefined} onClose={onClose} title="The token" size="lg" closeOnClickOutside={false} closeOnEscape={false} withCloseButton={false}>
      <Stack>
        <Alert color="yellow" title="Shown this once">The gateway keeps no more than a digest of it. A token that is lost can be rotated.</Alert>
        <Group align="start">
          <Code block data-testid="secret" flex="1 1 200px" style={{ overflowWrap: "anywhere", whiteSpace: "pre-wrap" }}>{secret}</Code>
          <Copy value={secret ?? ""} label="Copy" />
        </Group>
        <Text size="sm">Use it so:</Text>
        <CallSnippets baseUrl={`${dataUrl}/v1`} secret={secret ?? ""} sample={sample} mayLeave={false} />
        <Group justify="end"><Button onClick={onClose}>I stored it</Button></Group>
      </Stack>
    </Modal>
  );
}
