import { freePorts } from '@tillmesh/local-stack';
import type { MeshPorts } from './mesh-ports.ts';

/** The processes of a mesh; each is one process, as in production. */
export const SERVICES = [
  'sandbox',
  'order-store',
  'query',
  'projector',
  'notifier',
  'routing',
  'channel-wechat',
  'channel-alipay',
  'channel-stripe',
  'channel-unionpay',
  'cashier',
  'syncer',
  'reconciler',
  'edge',
  'watch',
] as const;
export type ServiceName = (typeof SERVICES)[number];

/** Services of which a mesh can have several processes. */
export const REPEATABLE = [
  'order-store',
  'query',
  'projector',
  'notifier',
  'channel-wechat',
  'channel-alipay',
  'channel-stripe',
  'channel-unionpay',
  'cashier',
  'syncer',
  'reconciler',
  'edge',
  'watch',
] as const satisfies readonly ServiceName[];
export type RepeatableService = (typeof REPEATABLE)[number];

/** The adapters of which a mesh can have further channels. */
export type AdapterId = 'wechat' | 'alipay' | 'stripe' | 'unionpay';

/** A further channel: another process of an adapter, with accounts of its own at the simulated channel. */
export type FurtherChannel = {
  /** Such as `wechat-2`; its process is `channel-wechat-2`, its account `wechat-2-a`. */
  readonly channelId: string;
  readonly adapter: AdapterId;
  /** Whether the mesh reaches its process through a switch that can be cut, see Mesh.networkOf; not unless told. */
  readonly switched?: boolean;
};

/** The account of a further channel. */
export const accountOfChannel = (channelId: string): string => `${channelId}-a`;

/** One process of a mesh. */
export type MeshProcess = {
  /** Name of the process and of its log and configuration: the service, or service and number. */
  readonly name: string;
  /** Whose configuration it has. */
  readonly service: string;
  /** Path of its program in `services/`. */
  readonly script: string;
  readonly port: number;
  /** Where its clients find it: its own port, or that of the switch in front of it. */
  readonly clientPort: number;
  /** Of GET /metrics; 0 takes a free one. */
  readonly metricsPort: number;
  /** Of the edge's or the watch's HTTP side where it is another than the mesh's own. */
  readonly httpPort?: number;
};

/** Processes of one service at most. */
const INSTANCES_MAX = 16;

const nameOf = (service: string, number: number): string => (number === 1 ? service : `${service}-i${number}`);

const assertCount = (service: string, count: number): number => {
  if (Number.isInteger(count) && count >= 1 && count <= INSTANCES_MAX) return count;
  throw new RangeError(`${service}: 1 to ${INSTANCES_MAX} instances can be started, not ${count}`);
};

/** Every process that a mesh starts with. */
export const planProcesses = async (options: {
  readonly services: readonly ServiceName[];
  readonly instances: Readonly<Partial<Record<RepeatableService, number>>>;
  readonly channels: readonly FurtherChannel[];
  readonly ports: MeshPorts;
}): Promise<readonly MeshProcess[]> => {
  const { services, channels, ports } = options;
  const instances: Readonly<Partial<Record<ServiceName, number>>> = options.instances;
  const counts = services.map((service) => [service, assertCount(service, instances[service] ?? 1)] as const);
  const further = counts.flatMap(([service, count]) =>
    Array.from({ length: count - 1 }, (_, place) => ({ service, number: place + 2 })),
  );
  const measured = services.filter((service) => instances[service] !== undefined);
  const switched = channels.filter((channel) => channel.switched === true);
  const count = 2 * further.length + channels.length + switched.length + measured.length;
  const free = (await freePorts(count, new Set<number>(Object.values(ports)))).values();
  const take = (): number => free.next().value ?? 0;
  return [
    ...services.map((service) => {
      const port = service === 'sandbox' ? ports['sandbox-control'] : ports[service];
      return at(port, measured.includes(service) ? take() : 0, { name: service, service, script: scriptOf(service) });
    }),
    ...further.map(({ service, number }) =>
      at(take(), take(), { name: nameOf(service, number), service, script: scriptOf(service) }),
    ),
    ...channels.map((channel) => {
      const name = `channel-${channel.channelId}`;
      const own = at(take(), 0, { name, service: name, script: scriptOf(`channel-${channel.adapter}`) });
      return switched.includes(channel) ? { ...own, clientPort: take() } : own;
    }),
  ];
};

const portsOf = (processes: readonly MeshProcess[]): ReadonlySet<number> =>
  new Set(
    processes.flatMap(({ port, clientPort, metricsPort, httpPort = 0 }) => [port, clientPort, metricsPort, httpPort]),
  );

/** The plan with edges that leave the mesh's own address to a front. */
export const planBehindFront = async (processes: readonly MeshProcess[]): Promise<MeshProcess[]> => {
  const free = (await freePorts(processes.length, portsOf(processes))).values();
  return processes.map((process) =>
    process.service === 'edge' ? { ...process, httpPort: free.next().value ?? 0 } : process,
  );
};

/** One more process of a service that has some already. */
export const planFurther = async (
  service: RepeatableService,
  processes: readonly MeshProcess[],
): Promise<MeshProcess> => {
  const names = new Set(processes.map(({ name }) => name));
  const [port = 0, metricsPort = 0, httpPort = 0] = await freePorts(3, portsOf(processes));
  for (let number = 1; number <= INSTANCES_MAX; number += 1) {
    const name = nameOf(service, number);
    if (!names.has(name)) return { ...at(port, metricsPort, { name, service, script: scriptOf(service) }), httpPort };
  }
  throw new RangeError(`${service}: ${INSTANCES_MAX} instances run already; stop one first`);
};

const at = (
  port: number,
  metricsPort: number,
  named: Pick<MeshProcess, 'name' | 'service' | 'script'>,
): MeshProcess => ({ ...named, port, clientPort: port, metricsPort });

const scriptOf = (service: string): string => `${service}/src/main.ts`;
