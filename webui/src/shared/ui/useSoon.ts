import { useEffect, useState } from "react";

/** Return false at first, and true after a moment: what is there at once needs no skeleton. */
export function useSoon(afterMs = 150): boolean {
  const [soon, setSoon] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSoon(true), afterMs);
    return () => clearTimeout(timer);
  }, [afterMs]);
  return soon;
}
