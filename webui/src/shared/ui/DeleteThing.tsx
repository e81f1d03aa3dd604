import { Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { TypedConfirm } from "./TypedConfirm";
import { say } from "./say";

interface Props {
  /** What it is, such as upstream. */
  kind: string;
  name: string;
  remove: () => Promise<unknown>;
  /** What refers to it, if anything does. */
  references?: ReactNode;
  onDone: () => void;
  onClose: () => void;
}

/** Delete something after its name was typed. What refuses that is said where it was asked for. */
export function DeleteThing({ kind, name, remove, references, onDone, onClose }: Props) {
  const { mutate, isPending, error } = useMutation({
    mutationFn: remove,
    onSuccess: () => {
      say(`${name} is deleted.`);
      onDone();
    },
  });
  return (
    <TypedConfirm opened title={`Delete the ${kind} ${name}`} word={name} action="Delete" busy={isPending} error={error} onConfirm={mutate} onClose={onClose}>
      <Text size="sm" mb="xs">This can&apos;t be undone.</Text>
      {references}
    </TypedConfirm>
  );
}
