/** What a new gateway has, as far as it is known. */
export interface Having {
  upstream: boolean | undefined;
  model: boolean | undefined;
  project: boolean | undefined;
  token: boolean | undefined;
}

/** The steps to a first call, in their order. */
export const STEPS = ["upstream", "model", "project", "token", "call"] as const;
export type Step = (typeof STEPS)[number];

/** Return the step that is next: the first thing that is missing; undefined while that is not known. */
export function nextStep(having: Having): Step | undefined {
  for (const step of STEPS) {
    if (step === "call" || having[step] === false) return step;
    if (having[step] === undefined) return undefined;
  }
  return undefined;
}

/** What a step is to somebody who is at `next`. */
export function stateOf(step: Step, next: Step): "done" | "next" | "later" {
  if (step === next) return "next";
  return STEPS.indexOf(step) < STEPS.indexOf(next) ? "done" : "later";
}
