import { Button } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { lazy, Suspense } from "react";
import type { ChatRequest } from "../chat";

const CopyDialog = lazy(() => import("./CopyDialog").then((it) => ({ default: it.CopyDialog })));

/** The way to the same call in other languages. */
export function CopyAs({ request }: { request: Omit<ChatRequest, "token"> }) {
  const [opened, { open, close }] = useDisclosure();
  return (
    <>
      <Button variant="default" size="xs" onClick={open}>Copy as…</Button>
      {opened && <Suspense><CopyDialog request={request} onClose={close} /></Suspense>}
    </>
  );
}
