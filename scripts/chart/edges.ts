import { z } from '@tillmesh/config';
import type { ServiceSchemas } from './service-schemas.ts';

/**
 * Who calls whom: `from` may connect to `to` because its configuration has the setting. `channel-*` is every channel's process, `*` every
 * process of the mesh, `redis`, `orders` and `lists` are stores.
 */
export type Edge = { readonly from: string; readonly to: string; readonly setting: string };

/** A JSON schema, as far as it is looked at here. */
type Node = {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
};

/** What the description of a target names (`target` of libs/config), and which component that is. */
const NEIGHBOURS: readonly (readonly [RegExp, string])[] = [
  [/^Where (?:the|an) order store answers:/, 'order-store'],
  [/^Where routing answers:/, 'routing'],
  [/^Where the cashier answers:/, 'cashier'],
  [/^Where the syncer answers:/, 'syncer'],
  [/^Where the channel's adapter answers:/, 'channel-*'],
  [/^Where LaneService of the process answers:/, '*'],
  [/^Redis: /, 'redis'],
];

const isServers = (node: Node): boolean =>
  node.items?.properties?.['host'] !== undefined && node.items.properties['port'] !== undefined;

const neighbourOf = (node: Node, path: readonly string[], where: string): string | undefined => {
  const last = path.at(-1);
  if (last === 'endpoints' && isServers(node)) return path.includes('map') ? 'orders' : 'lists';
  if (last === 'redis') return 'redis';
  const { description = '' } = node;
  const known = NEIGHBOURS.find(([pattern]) => pattern.test(description))?.[1];
  if (known !== undefined) return known;
  // A neighbour that nobody has thought of would be cut off by the network policies.
  if (/^Where .* answers: host:port/.test(description)) {
    throw new Error(
      `${where} ${path.join('.')} calls a neighbour that scripts/chart/edges.ts does not know: ${description}`,
    );
  }
  return undefined;
};

const edgesIn = (node: Node, from: string, path: readonly string[]): Edge[] => {
  const to = neighbourOf(node, path, from);
  if (to !== undefined) return [{ from, to, setting: path.join('.') }];
  const below = Object.entries(node.properties ?? {}).flatMap(([key, child]) => edgesIn(child, from, [...path, key]));
  return node.items === undefined ? below : [...below, ...edgesIn(node.items, from, [...path, '[]'])];
};

/** A configuration type as a JSON schema of what is written in the file. */
export const jsonSchemaOf = (schema: z.ZodType): object =>
  z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });

/** Every edge, from the settings that clients and pools are built from. */
export const edgesOf = ({ services, channels }: ServiceSchemas): readonly Edge[] => {
  const edges = [
    ...[...services].flatMap(([name, schema]) => edgesIn(jsonSchemaOf(schema), name, [])),
    ...[...channels.values()].flatMap((schema) => edgesIn(jsonSchemaOf(schema), 'channel-*', [])),
  ];
  return [...new Map(edges.map((edge) => [JSON.stringify(edge), edge])).values()];
};
