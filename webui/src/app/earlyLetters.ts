/** Marks the input of the palette. */
export const PALETTE_INPUT = "data-palette-input";

const LETTER = 1;

/**
 * Keep the letters that are typed before the palette's input has the focus: no key of the page takes them meanwhile.
 *
 * `put` is called with each change of the query. Esc and a press of the pointer end it.
 */
export function keepEarlyLetters(put: (change: (query: string) => string) => void): void {
  const stop = () => {
    window.removeEventListener("keydown", press, true);
    window.removeEventListener("pointerdown", stop, true);
  };
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.activeElement?.hasAttribute(PALETTE_INPUT) || event.key === "Escape") return stop();
    if (event.key.length === LETTER) put((query) => query + event.key);
    else if (event.key === "Backspace") put((query) => query.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  window.addEventListener("keydown", press, true);
  window.addEventListener("pointerdown", stop, true);
}
