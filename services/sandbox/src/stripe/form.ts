/** Parameters by their bracketed names, such as `metadata[order_no]`, in the order of their names. */
export type Params = ReadonlyMap<string, string>;

const PARAMS_MAX = 256;
// `a`, `a[b]`, `a[b][c]`, `a[]`: deeper than this no parameter of Stripe goes.
const NAME = /^[0-9A-Za-z_.]{1,64}(?:\[[^[\]]{0,64}\]){0,4}$/;

/**
 * Reads form-encoded parameters. An element of a list may be written `a[0]` or `a[]`.
 *
 * @returns undefined where a name is none, comes twice, or where there are too many.
 */
export const parseParams = (text: string): Params | undefined => {
  const params = new Map<string, string>();
  const counts = new Map<string, number>();
  for (const [written, value] of new URLSearchParams(text)) {
    let name = written;
    if (name.endsWith('[]')) {
      const list = name.slice(0, -2);
      const place = counts.get(list) ?? 0;
      counts.set(list, place + 1);
      name = `${list}[${place}]`;
    }
    if (!NAME.test(name) || params.has(name) || params.size >= PARAMS_MAX) return undefined;
    params.set(name, value);
  }
  return new Map([...params].sort(([a], [b]) => (a < b ? -1 : 1)));
};

/** The elements of a list. */
export const listIn = (params: Params, name: string): readonly string[] =>
  [...params].filter(([key]) => new RegExp(`^${name}\\[[0-9]+\\]$`).test(key)).map(([, value]) => value);

/** The pairs of an object of texts. */
export const pairsIn = (params: Params, name: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...params].flatMap(([key, value]) => {
      const [, inner] = new RegExp(`^${name}\\[([^\\[\\]]+)\\]$`).exec(key) ?? [];
      return inner === undefined || value === '' ? [] : [[inner, value]];
    }),
  );

/** One text for equal parameters, whatever their order was. */
export const canonical = (params: Params): string => JSON.stringify([...params]);
