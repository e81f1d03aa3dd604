import { Button, Group, Modal, Stack } from "@mantine/core";
import { useEffect } from "react";
import { TestSteps } from "./TestSteps";
import { useTest } from "./useTest";

/** A test of a saved upstream, which begins at once. */
export function TestModal({ name, onClose }: { name: string; onClose: () => void }) {
  const { mutate, isPending, error, data } = useTest();
  useEffect(() => mutate({ name }), [mutate, name]);
  return (
    <Modal opened onClose={onClose} title={`Test of ${name}`} size="lg">
      <Stack>
        <TestSteps busy={isPending} error={error} result={data} />
        <Group justify="end">
          <Button variant="default" disabled={isPending} onClick={() => mutate({ name })}>Test again</Button>
          <Button onClick={onClose}>Close</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
