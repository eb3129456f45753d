import { create, toBuffer, toString as toText } from 'qrcode';

/** How much of a code may be unreadable: 15 % or 25 %. */
export type Correction = 'M' | 'Q';

/** What stays readable on a receipt at arm's length: 33 modules a side. */
const VERSION_MAX = 4;
/** Quiet modules on every side, as ISO 18004 wants them. */
const MARGIN = 4;
const PIXELS = 8;

/** The version of the code of a text, 1 to 40. */
export const versionOf = (text: string, correction: Correction): number =>
  create(text, { errorCorrectionLevel: correction }).version;

/** Whether a text fits into the largest code that is shown. */
export const fitsCode = (text: string, correction: Correction): boolean => versionOf(text, correction) <= VERSION_MAX;

/** A text as a picture of its code, black on white: SVG, or PNG with 8 pixels a module. */
export const pictureOf = async (text: string, correction: Correction, format: 'svg' | 'png'): Promise<Uint8Array> => {
  const options = { errorCorrectionLevel: correction, margin: MARGIN } as const;
  return format === 'png'
    ? toBuffer(text, { ...options, type: 'png', scale: PIXELS })
    : Buffer.from(await toText(text, { ...options, type: 'svg' }), 'utf8');
};
