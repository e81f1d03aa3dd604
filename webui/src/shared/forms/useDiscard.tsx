import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, useRef, useState } from "react";
import { TypedConfirm } from "../ui/TypedConfirm";

interface Discard {
  /** Close the form, after the question if something was typed. */
  close: () => void;
  /** Say that the form is left on purpose: nothing is asked. */
  leave: () => void;
  /** Whether the question is asked: Esc is its own then. */
  isAsking: boolean;
  question: ReactNode;
}

/** Ask before what was typed is lost: by closing the form, by going back or elsewhere, and by leaving the application. */
export function useDiscard(isTyped: boolean, onClose: () => void): Discard {
  const [closing, setClosing] = useState(false);
  const isLeaving = useRef(false);
  const keeps = () => isTyped && !isLeaving.current;
  const { status, proceed, reset } = useBlocker({ shouldBlockFn: keeps, enableBeforeUnload: keeps, withResolver: true });
  const isAsking = closing || status === "blocked";
  const leave = () => {
    isLeaving.current = true;
  };
  const discard = () => {
    leave();
    setClosing(false);
    if (proceed) proceed();
    else onClose();
  };
  const keep = () => {
    setClosing(false);
    reset?.();
  };
  return {
    close: () => (isTyped ? setClosing(true) : onClose()),
    leave,
    isAsking,
    question: (
      <TypedConfirm opened={isAsking} title="Discard what was typed?" action="Discard" otherwise="Go on typing" onConfirm={discard} onClose={keep}>
        It was not saved.
      </TypedConfirm>
    ),
  };
}
