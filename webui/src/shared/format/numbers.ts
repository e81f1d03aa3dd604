const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });

export const formatCount = (value: bigint | number): string => whole.format(value);

/** 12,345 as "12.3K". */
export const formatShort = (value: bigint | number): string => short.format(value);

/** A share of 1 as percents. */
export const formatShare = (value: number): string => percent.format(value);

/** The change from `before` to `now` as a share of `before`; undefined where nothing was before. */
export const changeOf = (now: bigint | number, before: bigint | number): number | undefined =>
  Number(before) === 0 ? undefined : (Number(now) - Number(before)) / Number(before);

const UNITS = ["B", "KB", "MB", "GB", "TB"] as const;

export function formatBytes(value: bigint | number): string {
  let left = Number(value);
  let unit = 0;
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${left >= 100 || unit === 0 ? left.toFixed(0) : left.toFixed(1)} ${UNITS[unit] ?? "B"}`;
}

/** A length of time in microseconds: "850 µs", "12 ms", "3.4 s", "2 min 5 s". */
export function formatMicroseconds(value: bigint | number): string {
  const micros = Number(value);
  if (micros < 1_000) return `${micros.toFixed(0)} µs`;
  if (micros < 1_000_000) return `${(micros / 1_000).toFixed(micros < 10_000 ? 1 : 0)} ms`;
  const seconds = micros / 1_000_000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, maximumFractionDigits: 9 });

/** An amount in billionths of a dollar, to the cent; smaller ones to three digits, and to the cent at least. */
export const formatDollars = (nanoDollars: bigint | number): string => {
  const dollars = Number(nanoDollars) / 1e9;
  const [short, long] = [cents.format(dollars), digits.format(dollars)];
  return `$${Math.abs(dollars) < 1 && long.length > short.length ? long : short}`;
};

/** A price in billionths of a dollar a token, as dollars a million tokens. */
export const formatPrice = (nanoDollars: bigint | number): string =>
  `$${(Number(nanoDollars) / 1_000).toLocaleString("en", { maximumFractionDigits: 4 })} / M tokens`;
