import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const css = readFileSync(join(import.meta.dirname, '../page/watch.css'), 'utf8');

/** The colours of both themes, by name. */
const themes = [...css.matchAll(/:root \{([^}]*)\}/g)].map(
  ([, block = '']) =>
    new Map([...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value])),
);

/** Relative luminance, WCAG 2.2. */
const luminance = (colour: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((place) => {
    const part = Number.parseInt(colour.slice(place, place + 2), 16) / 255;
    return part <= 0.040_45 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

const contrast = (one: string, other: string): number => {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};

test.each([0, 1])(
  'text can be read in theme %i: every colour of text has at least 4.5 to 1 on every ground',
  (theme) => {
    const colours = themes[theme] ?? new Map<string | undefined, string | undefined>();
    const colour = (name: string): string => {
      const value = colours.get(name);
      if (value === undefined) throw new Error(`theme ${theme} has no ${name}`);
      return value;
    };
    for (const text of ['text', 'soft', 'good', 'bad', 'warn', 'calm', 'accent']) {
      for (const ground of ['page', 'tile']) {
        expect(contrast(colour(text), colour(ground)), `${text} on ${ground}`).toBeGreaterThanOrEqual(4.5);
      }
    }
    expect(contrast(colour('text'), colour('open-fill'))).toBeGreaterThanOrEqual(4.5);
  },
);
