// China has one zone and no summer time since 1991: eight hours ahead of UTC, whatever the host's zone is.
const AHEAD_MS = 8 * 3_600_000;

const SPACED = /^([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})$/;
const PLAIN = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})$/;
const RFC_3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

/** `2026-11-22 04:05:06` in Beijing. */
export const toBeijingText = (ms: number): string =>
  new Date(ms + AHEAD_MS).toISOString().slice(0, 19).replace('T', ' ');

/** `20261122040506` in Beijing. */
export const toBeijingDigits = (ms: number): string => toBeijingText(ms).replace(/[^0-9]/g, '');

/** `2026-11-22T04:05:06+08:00`. */
export const toBeijingRfc3339 = (ms: number): string => `${toBeijingText(ms).replace(' ', 'T')}+08:00`;

/** ms since 1970 of either form above without a zone, read as Beijing time; undefined for anything else. */
export const fromBeijingText = (text: string): number | undefined => {
  const match = SPACED.exec(text) ?? PLAIN.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const ms = Date.UTC(year, month - 1, day, hour, minute, second) - AHEAD_MS;
  // A 31st of February would quietly become a day of March.
  return toBeijingText(ms) === `${match[1]}-${match[2]}-${match[3]} ${match[4]}:${match[5]}:${match[6]}`
    ? ms
    : undefined;
};

/** ms since 1970 of an RFC 3339 time; undefined for anything else. */
export const fromRfc3339 = (text: string): number | undefined => {
  const ms = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
};
