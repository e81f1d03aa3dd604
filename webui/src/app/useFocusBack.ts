import { useEffect } from "react";

const DIALOG = "[role=dialog]";

/**
 * Give the focus back to where it was before a dialog, once that is gone: in the dialog below it, or on the page.
 *
 * A dialog that is made open, as those are that an address opens, does not know what had the focus before.
 */
export function useFocusBack(): void {
  useEffect(() => {
    const latest = new WeakMap<Element, HTMLElement>();
    let count = 0;
    const remember = ({ target }: FocusEvent) => {
      if (target instanceof HTMLElement) latest.set(target.closest(DIALOG) ?? document.body, target);
    };
    const observer = new MutationObserver(() => {
      const dialogs = [...document.querySelectorAll(DIALOG)];
      const isLost = dialogs.length < count && (document.activeElement === null || document.activeElement === document.body);
      count = dialogs.length;
      if (isLost) latest.get(dialogs.at(-1) ?? document.body)?.focus({ preventScroll: true });
    });
    document.addEventListener("focusin", remember);
    observer.observe(document.body, { childList: true, subtree: true });
    return () => {
      document.removeEventListener("focusin", remember);
      observer.disconnect();
    };
  }, []);
}
