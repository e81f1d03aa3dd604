import { type Attention, Severity } from "@tollkeeper/client/v1/status_service";

/** Something that needs attention, and everything that it is said of. */
export interface Matter {
  first: Attention;
  subjects: string[];
}

/** Put notes that say the same of several things into one, at the place of the first; what fails stands alone. */
export function mattersOf(items: readonly Attention[]): Matter[] {
  const found = new Map<string, Matter>();
  items.forEach((item, index) => {
    const key = item.severity === Severity.INFO ? `${item.kind} ${item.detail} ${item.remedy}` : String(index);
    const known = found.get(key);
    if (known) known.subjects.push(item.subject);
    else found.set(key, { first: item, subjects: item.subject === "" ? [] : [item.subject] });
  });
  return [...found.values()];
}
