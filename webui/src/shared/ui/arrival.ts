let due = false;

/** Note that people are on their way to another page: the heading that shows next gets the focus. */
export const setOut = (): void => {
  due = true;
};

/** Return whether people come from another page, once. */
export function arrives(): boolean {
  const was = due;
  due = false;
  return was;
}
