import { Button, Group, Text } from "@mantine/core";
import { complain, note, unnote } from "./say";

const UNDO_MS = 8_000;
let made = 0;

/** Say that something was taken out of use, and offer to put it back. */
export function offerUndo(message: string, undo: () => Promise<unknown>): void {
  const id = `undo-${++made}`;
  const back = () => {
    unnote(id);
    undo().catch((error: unknown) => complain("It was not undone", error));
  };
  note({
    id,
    autoClose: UNDO_MS,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button size="compact-sm" variant="default" onClick={back}>Undo</Button>
      </Group>
    ),
  });
}
