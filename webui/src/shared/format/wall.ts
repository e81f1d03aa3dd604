const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let found = formats.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("sv-SE", {
      timeZone: zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    formats.set(zone, found);
  }
  return found;
}

/** A time as the clocks of a zone show it, to the second: "2026-11-28T14:05:09". */
export const toWall = (time: Date, zone: string): string => formatOf(zone).format(time).replace(" ", "T");

const offsetAt = (time: number, zone: string): number => Date.parse(`${toWall(new Date(time), zone)}Z`) - Math.floor(time / 1000) * 1000;

/**
 * Return the time at which the clocks of a zone show `wall`, such as "2026-11-28T14:05"; undefined if it is no such text.
 *
 * A time that clocks show twice is the first of both; one that they leave out is as long after the change as it says.
 */
export function fromWall(wall: string, zone: string): Date | undefined {
  const asUtc = Date.parse(`${wall}Z`);
  if (Number.isNaN(asUtc)) return undefined;
  const before = asUtc - offsetAt(asUtc - 86_400_000, zone);
  if (toWall(new Date(before), zone) === toWall(new Date(asUtc), "UTC")) return new Date(before);
  const after = asUtc - offsetAt(asUtc + 86_400_000, zone);
  return toWall(new Date(after), zone) === toWall(new Date(asUtc), "UTC") ? new Date(after) : new Date(before);
}
