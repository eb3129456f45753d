const formats = new Map<string, Intl.DateTimeFormat>();

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  formats.set(timeZone, made);
  return made;
};

/**
 * The day of a moment as people there write it, `YYYY-MM-DD`.
 *
 * @param timeZone IANA name.
 * @param atMs ms since 1970.
 * @throws {RangeError} where there is no such time zone.
 */
export const localDay = (timeZone: string, atMs: number): string => formatOf(timeZone).format(atMs);

/** Whether it is the IANA name of a time zone that is known here. */
export const isTimeZone = (name: string): boolean => {
  try {
    return localDay(name, 0) !== '';
  } catch {
    return false;
  }
};
