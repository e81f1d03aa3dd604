/** The ref of what comes into a long form, which may be where nobody looks: when it comes, it is scrolled into view. */
export const intoView = (element: HTMLElement | null): void => element?.scrollIntoView({ block: "nearest" });
