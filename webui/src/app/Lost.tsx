import { Alert, Loader } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { session } from "../features/session/session";
import { reach, useBack, useIsLost } from "../shared/api/reach";

const PAUSE_MS = 2_000;

/** Says that the gateway does not answer, asks until it does, and has everything read anew then. */
export function Lost() {
  const lost = useIsLost();
  const queries = useQueryClient();
  useBack(() => void queries.invalidateQueries());
  useEffect(() => {
    if (!lost) return undefined;
    const ask = async () => {
      if (document.visibilityState === "visible" && (await session.ask())) reach.back();
    };
    const timer = setInterval(() => void ask(), PAUSE_MS);
    return () => clearInterval(timer);
  }, [lost]);
  return (
    <div role="status">
      {lost && (
        <Alert color="orange" mb="md" icon={<Loader size={16} color="orange" aria-hidden />} title="The gateway can't be reached">
          What is shown may be old. This page asks again every two seconds, and goes on by itself when there is an answer.
        </Alert>
      )}
    </div>
  );
}
