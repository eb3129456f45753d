import jsQr from 'jsqr';
import { PNG } from 'pngjs';
import { expect, test } from 'vitest';
import { pictureOf, versionOf } from '../src/one-code/qr-image.ts';

// The module is CommonJS: its types say what stands under `default`, and Node gives it without.
const decode = jsQr as unknown as typeof jsQr.default;

/** What a decoder that we have not written reads in a picture. */
const readPng = (bytes: Uint8Array): string | undefined => {
  const { data, width, height } = PNG.sync.read(Buffer.from(bytes));
  return decode(new Uint8ClampedArray(data), width, height)?.data;
};

// The longest base address that a cashier's configuration allows, and a code's id.
const LONGEST = `https://${'pay.example'.padEnd(23, 'x')}/q/aBcDeFgHjKmN`;

test.each(['M', 'Q'] as const)(
  'the longest address with correction %s is a code of version 4 at most, and is read back',
  async (correction) => {
    expect(LONGEST).toHaveLength(46);
    expect(versionOf(LONGEST, correction)).toBeLessThanOrEqual(4);
    expect(readPng(await pictureOf(LONGEST, correction, 'png'))).toBe(LONGEST);
  },
);

test('one character more would be a larger code at Q', () => {
  expect(versionOf(`${LONGEST}A`, 'Q')).toBe(5);
});

test('a picture is read where a quarter of it is dirty at Q', async () => {
  const picture = PNG.sync.read(Buffer.from(await pictureOf(LONGEST, 'Q', 'png')));
  // A stain over the middle: 10 % of the modules, away from the finder patterns.
  const { width, height, data } = picture;
  for (let y = Math.floor(height * 0.42); y < height * 0.6; y += 1) {
    for (let x = Math.floor(width * 0.42); x < width * 0.6; x += 1)
      data.fill(255, (y * width + x) * 4, (y * width + x) * 4 + 3);
  }
  expect(readPng(PNG.sync.write(picture))).toBe(LONGEST);
});

test('an SVG is one, black on white with a margin of four modules', async () => {
  const svg = Buffer.from(await pictureOf('https://pay.example.com/q/123456789ABC', 'M', 'svg')).toString('utf8');
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^>]* viewBox="0 0 37 37"/);
  expect(svg).not.toMatch(/<script|href/i);
});
