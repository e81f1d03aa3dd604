// Dollars are counted in billionths, as whole numbers: no amount is ever rounded.
const DECIMALS = 9;
const DOLLAR = 10n ** BigInt(DECIMALS);
const CENT_DIGITS = 2;

const GROUPED = String.raw`\d{1,3}(?:,\d{3})+|\d+`;
const WHOLE = new RegExp(`^(?:${GROUPED})$`);
const DOLLARS = new RegExp(String.raw`^\$?\s*(${GROUPED})(?:\.(\d{1,${DECIMALS}}))?$`);

const plain = (digits: string): bigint => BigInt(digits.replaceAll(",", ""));

/** Return the whole number that a text says, such as "1,000,000"; undefined if it says none. */
export const readWhole = (text: string): bigint | undefined => (WHOLE.test(text.trim()) ? plain(text.trim()) : undefined);

/** Return the billionths of a dollar that a text says in dollars, such as "1,000.50" or "$0.001"; undefined if it says no amount. */
export function readDollars(text: string): bigint | undefined {
  const [, whole, decimals = ""] = DOLLARS.exec(text.trim()) ?? [];
  return whole === undefined ? undefined : plain(whole) * DOLLAR + BigInt(decimals.padEnd(DECIMALS, "0"));
}

/** Write billionths of a dollar as dollars, exactly: to the cent, and with more decimals where there are some. */
export function writeDollars(nanos: bigint): string {
  const decimals = String(nanos % DOLLAR).padStart(DECIMALS, "0").replace(/0+$/, "");
  return `${(nanos / DOLLAR).toLocaleString("en")}.${decimals.padEnd(CENT_DIGITS, "0")}`;
}
