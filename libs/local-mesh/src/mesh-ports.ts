import { freePorts } from '@tillmesh/local-stack';

/** What listens, beside databases and Redis. The order is that of the ports. */
export const LISTENERS = [
  'cashier',
  'query',
  'routing',
  'order-store',
  'channel-wechat',
  'channel-alipay',
  'syncer',
  'edge',
  'edge-http',
  'sandbox-control',
  'sandbox-wechat',
  'sandbox-alipay',
  'projector',
  'watch',
  'watch-http',
  'channel-stripe',
  'sandbox-stripe',
  'channel-unionpay',
  'sandbox-unionpay',
  'notifier',
  'reconciler',
] as const;
export type Listener = (typeof LISTENERS)[number];

/** Ports of a mesh on this machine. */
export type MeshPorts = Readonly<Record<Listener, number>>;

const toPorts = (ports: readonly number[]): MeshPorts =>
  Object.fromEntries(LISTENERS.map((listener, place) => [listener, ports[place] ?? 0])) as MeshPorts;

/** Listener n gets basePort + n; without a base port free ones are taken. */
export const chooseMeshPorts = async (basePort: number | undefined): Promise<MeshPorts> =>
  toPorts(basePort === undefined ? await freePorts(LISTENERS.length) : LISTENERS.map((_, place) => basePort + place));
