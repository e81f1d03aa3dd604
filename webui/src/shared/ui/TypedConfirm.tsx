import { lazy, Suspense, useState } from "react";
import type { ConfirmProps } from "./ConfirmDialog";

const ConfirmDialog = lazy(() => import("./ConfirmDialog").then((it) => ({ default: it.ConfirmDialog })));

/** A question before what can't be undone, loaded when it is first asked. */
export function TypedConfirm(props: ConfirmProps) {
  const [asked, setAsked] = useState(props.opened);
  if (props.opened && !asked) setAsked(true);
  return asked && <Suspense><ConfirmDialog {...props} /></Suspense>;
}
