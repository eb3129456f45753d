/** Both channels print times of China's one zone, which has been UTC+8 without summer time since 1991. */
const OFFSET_MS = 8 * 3_600_000;

const isoInBeijing = (ms: number): string => new Date(ms + OFFSET_MS).toISOString();

/** `2026-01-02T03:04:05+08:00`: WeChat Pay v3. */
export const rfc3339InBeijing = (ms: number): string => `${isoInBeijing(ms).slice(0, 19)}+08:00`;

/** `20260102030405`: WeChat Pay v2. */
export const compactInBeijing = (ms: number): string => isoInBeijing(ms).slice(0, 19).replace(/[-T:]/g, '');

/** `2026-01-02 03:04:05`: Alipay. */
export const spacedInBeijing = (ms: number): string => isoInBeijing(ms).slice(0, 19).replace('T', ' ');

const RFC3339 = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/;

const finite = (ms: number): number | undefined => (Number.isFinite(ms) ? ms : undefined);

/** Milliseconds since 1970, or undefined where the text is no RFC 3339 time. */
export const msOfRfc3339 = (text: string): number | undefined =>
  RFC3339.test(text) ? finite(Date.parse(text)) : undefined;

/** Reads `20260102030405` as Beijing time; undefined for anything else. */
export const msOfCompact = (text: string): number | undefined => {
  const match = /^([0-9]{4})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{2})$/.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1);
  const ms = finite(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}+08:00`));
  // Date.parse makes the second of March of the thirtieth of February.
  return ms !== undefined && compactInBeijing(ms) === text ? ms : undefined;
};

/** Reads `2026-01-02 03:04:05` as Beijing time; undefined for anything else. */
export const msOfSpaced = (text: string): number | undefined =>
  /^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$/.test(text)
    ? msOfCompact(text.replace(/[-: ]/g, ''))
    : undefined;
