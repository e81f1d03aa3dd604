import { lazy, type ReactNode, Suspense } from "react";
import { isNoSuch } from "../api/errors";
import type { Kind } from "../ui/kinds";

const DeleteThing = lazy(() => import("../ui/DeleteThing").then((it) => ({ default: it.DeleteThing })));
const NoSuchDialog = lazy(() => import("../ui/NoSuchDialog").then((it) => ({ default: it.NoSuchDialog })));

/** What a page about named things says about what is open over it. */
export interface OverlaysProps<Act extends string> {
  act: Act | "new" | undefined;
  name: string | undefined;
  onClose: () => void;
  onCreated?: (name: string) => void;
  onDeleted: () => void;
}

interface FormProps {
  /** The thing to edit; undefined makes a new one. */
  name: string | undefined;
  onClose: () => void;
  onCreated?: ((name: string) => void) | undefined;
}

interface Props extends OverlaysProps<string> {
  kind: Kind;
  /** Whether the thing of that name was read, and why not. */
  isThere: boolean;
  error: unknown;
  form: (props: FormProps) => ReactNode;
  remove: (name: string) => Promise<unknown>;
  /** What refers to it, or what its end means. */
  references: (name: string) => ReactNode;
  renew: () => Promise<unknown>;
  /** What else can be open about it. */
  more?: (act: string, name: string) => ReactNode;
}

/** Return whose dialog is open, if one is about something that should exist. */
export const nameOf = (act: string | undefined, name: string | undefined): string | undefined => (act === undefined || act === "new" ? undefined : name);

/** What is open over a page about named things, as its address says: the form of one, the question before its end, and what else a kind has. */
export function NamedOverlays({ kind, act, name: given, isThere, error, form, remove, references, renew, more, onClose, onCreated, onDeleted }: Props) {
  const name = nameOf(act, given);
  const isNone = !isThere && error !== null && isNoSuch(error);
  return (
    <Suspense>
      {act === "new" && form({ name: undefined, onClose, onCreated })}
      {name !== undefined && isNone && <NoSuchDialog kind={kind} id={name} onClose={onClose} />}
      {name !== undefined && !isNone && act === "edit" && form({ name, onClose })}
      {name !== undefined && isThere && act === "delete" && (
        <DeleteThing
          kind={kind}
          name={name}
          references={references(name)}
          remove={() => remove(name)}
          onDone={() => { onDeleted(); void renew(); }}
          onClose={onClose}
        />
      )}
      {name !== undefined && isThere && act !== undefined && more?.(act, name)}
    </Suspense>
  );
}
