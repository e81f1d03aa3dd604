import { lazy, Suspense } from "react";
import { EmptyState } from "../../../shared/ui/EmptyState";
import { ButtonLink } from "../../../shared/ui/links";

const HowToCall = lazy(() => import("./HowToCall").then((it) => ({ default: it.HowToCall })));

/** Where no call is yet: how to make one. */
export function NoCalls({ title }: { title: string }) {
  return (
    <>
      <EmptyState title={title} action={<ButtonLink to="/playground">Make one in the playground</ButtonLink>}>
        Each request to the gateway appears here a moment after it ended. With the secret of a token in OPENAI_API_KEY, this makes one:
      </EmptyState>
      <Suspense><HowToCall /></Suspense>
    </>
  );
}
