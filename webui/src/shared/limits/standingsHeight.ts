const HEAD = 24;
const EACH = 78;

/** The height of what tells how so many limits stand, which is loaded after the page around it. */
export const standingsHeight = (limits: readonly unknown[]): number => HEAD + limits.length * EACH;
