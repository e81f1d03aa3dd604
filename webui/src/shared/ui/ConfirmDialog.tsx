import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import { ErrorState } from "./ErrorState";

export interface ConfirmProps {
  opened: boolean;
  title: string;
  /** What will happen, with numbers. */
  children: ReactNode;
  /** What must be typed, such as the name of the project; empty asks for a click only. */
  word?: string;
  action: string;
  /** What the button says that does nothing. */
  otherwise?: string;
  busy?: boolean;
  error?: unknown;
  onConfirm: () => void;
  onClose: () => void;
}

/** A question before what can't be undone. */
export function ConfirmDialog({ opened, title, children, word = "", action, otherwise = "Cancel", busy = false, error, onConfirm, onClose }: ConfirmProps) {
  const [typed, setTyped] = useState("");
  useEffect(() => setTyped(""), [opened]);
  return (
    <Modal opened={opened} onClose={onClose} title={title}>
      <form onSubmit={(event) => { event.preventDefault(); if (typed === word) onConfirm(); }}>
        <Stack>
          <Text component="div" size="sm">{children}</Text>
          {word !== "" && (
            <TextInput
              label={`Type ${word} to go on`}
              value={typed}
              autoComplete="off"
              data-autofocus
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          {error !== undefined && error !== null && <ErrorState title="It was not done" error={error} />}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>{otherwise}</Button>
            <Button color="red" type="submit" loading={busy} disabled={typed !== word}>{action}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
