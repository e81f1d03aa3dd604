import { useState } from "react";
import type { Question } from "./question";

/**
 * Return the question that the shown answer belongs to: the last one while the answer to `question` is on its way.
 *
 * Rows of one grouping under the heads of another would say what is not so.
 */
export function useAnswered(question: Question, isOnItsWay: boolean): Question {
  const key = JSON.stringify(question);
  const [answered, setAnswered] = useState({ key, question });
  if (!isOnItsWay && answered.key !== key) setAnswered({ key, question });
  return isOnItsWay ? answered.question : question;
}
