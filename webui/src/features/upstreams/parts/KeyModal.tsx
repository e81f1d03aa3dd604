import { Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { fieldErrors } from "../../../shared/api/errors";
import { useDiscard } from "../../../shared/forms/useDiscard";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { say } from "../../../shared/ui/say";
import { useUpstreamCalls } from "../queries";

/** Give an upstream another key. The present one is never shown. */
export function KeyModal({ name, onClose }: { name: string; onClose: () => void }) {
  const { client, renew } = useUpstreamCalls();
  const [key, setKey] = useState("");
  const replace = useMutation({
    mutationFn: () => client.updateUpstream({ name, apiKey: key, updateMask: { paths: ["api_key"] } }),
    onSuccess: () => {
      void renew();
      say(`${name} has another key. Calls that begin from here on use it.`);
      leave();
      onClose();
    },
  });
  const { close, leave, isAsking, question } = useDiscard(key !== "", onClose);
  const refused = replace.error ? fieldErrors(replace.error, ["apiKey"]) : undefined;
  return (
    <Modal opened onClose={close} closeOnEscape={!isAsking} closeOnClickOutside={key === ""} title={`Replace the key of ${name}`}>
      <form onSubmit={(event) => { event.preventDefault(); replace.mutate(); }}>
        <Stack>
          <Text size="sm">The key that is stored is never shown. Calls under way end with it.</Text>
          {refused && refused.rest.length > 0 && <ErrorState title="The key was not replaced" error={replace.error} />}
          <PasswordInput
            label="New API key"
            data-autofocus
            autoComplete="new-password"
            value={key}
            error={refused?.fields.apiKey}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <Group justify="end">
            <Button variant="default" onClick={() => { leave(); onClose(); }}>Cancel</Button>
            <Button type="submit" loading={replace.isPending} disabled={key === ""}>Replace</Button>
          </Group>
        </Stack>
      </form>
      {question}
    </Modal>
  );
}
