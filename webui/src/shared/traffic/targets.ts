/** An upstream that serves a group or a model, as a form has it. */
export type Target = { upstream: string; weight: number | ""; upstreamModel: string };

export const NO_TARGET: Target = { upstream: "", weight: "", upstreamModel: "" };
