/** What a request says: texts, whole numbers, and lists and objects of them. Undefined is left out. */
export type Params = { readonly [name: string]: Param | undefined };
type Param = string | bigint | boolean | readonly string[] | Params;

const isList = (value: Param): value is readonly string[] => Array.isArray(value);

const pairsOf = (name: string, value: Param): readonly (readonly [string, string])[] => {
  if (isList(value)) return value.map((item, place) => [`${name}[${place}]`, item] as const);
  if (typeof value !== 'object') return [[name, String(value)]];
  return Object.entries(value).flatMap(([inner, item]) =>
    item === undefined ? [] : pairsOf(`${name}[${inner}]`, item),
  );
};

// What encodeURIComponent leaves and RFC 3986 reserves; brackets stay readable, as Stripe's own clients write them.
const encoded = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replace(/%5B/g, '[')
    .replace(/%5D/g, ']');

/** Form-encodes parameters in Stripe's way: `metadata[order_no]=1&expand[0]=latest_charge`. */
export const encodeForm = (params: Params): string =>
  Object.entries(params)
    .flatMap(([name, value]) => (value === undefined ? [] : pairsOf(name, value)))
    .map(([name, value]) => `${encoded(name)}=${encodeURIComponent(value)}`)
    .join('&');
