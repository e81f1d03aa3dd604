import type { ReactNode } from "react";
import { say } from "../ui/say";
import { EditDrawer } from "./EditDrawer";
import type { Edit } from "./useEdit";

interface Props {
  /** What it is, such as "upstream". */
  kind: string;
  /** The thing to edit; undefined makes a new one. */
  stored: { name: string } | undefined;
  /** The name that was typed for a new one. */
  typed: string;
  edit: Edit;
  extra?: ReactNode;
  renew: () => Promise<unknown>;
  onClose: () => void;
  onCreated: ((name: string) => void) | undefined;
  children: ReactNode;
}

/** The drawer in which a thing with a name is made or edited. */
export function NamedDrawer({ kind, stored, typed, renew, onClose, onCreated, ...shown }: Props) {
  const done = () => {
    void renew();
    say(stored ? `${stored.name} is saved.` : `${typed} is there.`);
    if (stored) onClose();
    else onCreated?.(typed);
  };
  return (
    <EditDrawer {...shown} title={stored ? `Edit ${stored.name}` : `New ${kind}`} action={stored ? "Save" : "Create"} onClose={onClose} onDone={done} />
  );
}
