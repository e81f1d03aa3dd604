import { useState } from "react";

interface Asked<Data> {
  data: Data | undefined;
  isPlaceholderData: boolean;
}

/**
 * Return what a query answered, and its last answer to the same question while it has none.
 *
 * A range that ends now moves on with the clock, and each minute's request is another one: when that fails, nothing is known of it, and
 * the answer of the minute before is the best there is. `question` says what is asked without such times.
 */
export function useKept<Data>(question: string, { data, isPlaceholderData }: Asked<Data>): Data | undefined {
  const [kept, setKept] = useState<{ question: string; data: Data | undefined }>({ question, data: undefined });
  if (data !== undefined && !isPlaceholderData && (kept.data !== data || kept.question !== question)) setKept({ question, data });
  return data ?? (kept.question === question ? kept.data : undefined);
}
