import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { type Kind, noneOf } from "./kinds";

/** Where a dialog would be about something that does not exist. */
export function NoSuchDialog({ kind, id, onClose }: { kind: Kind; id: string; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={`There is no such ${kind}`}>
      <Stack>
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>{noneOf(kind, id)}</Text>
        <Group justify="end"><Button data-autofocus onClick={onClose}>Close</Button></Group>
      </Stack>
    </Modal>
  );
}
