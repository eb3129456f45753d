import type { z } from '@tillmesh/config';
import { jsonSchemaOf } from './edges.ts';
import type { ServiceSchemas } from './service-schemas.ts';

type Json = { readonly [key: string]: unknown };

/** An object of ours: an unknown key is a typing error. */
const strict = (properties: Json, more: Json = {}): Json => ({
  type: 'object',
  additionalProperties: false,
  properties,
  ...more,
});
/** An object of Kubernetes', passed on as it stands. */
const open = (description: string): Json => ({ type: 'object', description });
const openList = (description: string): Json => ({ type: 'array', items: { type: 'object' }, description });
const text = (description: string, more: Json = {}): Json => ({ type: 'string', description, ...more });
const whole = (minimum: number, maximum: number, description: string): Json => ({
  type: 'integer',
  minimum,
  maximum,
  description,
});
const flag = (description: string): Json => ({ type: 'boolean', description });
const oneOf = (values: readonly string[], description: string): Json => ({ enum: values, description });

const NAME = '^$|^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$';
const KEY = '^[-._a-zA-Z0-9]{1,253}$';
const HOURS = '^[0-9]{1,6}h([0-9]{1,2}m)?([0-9]{1,2}s)?$';
const CIDR = '^[0-9a-fA-F.:]+/[0-9]{1,3}$';

const cidrs = (description: string): Json => ({ type: 'array', items: text('', { pattern: CIDR }), description });
const replicas = (minimum: number): Json => whole(minimum, 100, 'Pods.');

const image = strict({
  repository: text('Name of the image, with its registry.', { minLength: 1 }),
  tag: text('The chart’s appVersion unless set.', { pattern: '^[\\w.-]{0,128}$' }),
  digest: text('sha256:…, in the place of the tag.', { pattern: '^$|^sha256:[0-9a-f]{64}$' }),
});

const resources = strict({ requests: open('By resource.'), limits: open('By resource.'), claims: openList('Claims.') });

/**
 * The configuration of a service as values may change it: every setting of its type, none of them necessary, without those that follow
 * from the chart itself.
 */
const partOf = (schema: z.ZodType, taken: readonly string[]): Json => {
  const strip = (node: unknown, path: readonly string[]): unknown => {
    if (Array.isArray(node)) return node.map((each: unknown) => strip(each, path));
    if (typeof node !== 'object' || node === null) return node;
    const { required: _required, default: _default, $schema: _schema, ...rest } = node as Json;
    const properties = rest['properties'] as Json | undefined;
    if (properties === undefined) return rest;
    const kept = Object.entries(properties)
      .filter(([key]) => !taken.includes([...path, key].join('.')))
      .map(([key, child]): [string, unknown] => [key, strip(child, [...path, key])]);
    return { ...rest, properties: Object.fromEntries(kept) };
  };
  return strip(jsonSchemaOf(schema), []) as Json;
};

const SERVER = [
  'server.host',
  'server.port',
  'server.metricsPort',
  'server.probePort',
  'server.tls',
  'server.drainMs',
  'logLevel',
];
/** What the chart itself sets in a service's configuration, from its own values. */
export const SET_BY_THE_CHART: Readonly<Record<string, readonly string[]>> = {
  cashier: ['orderStore', 'routing', 'channels', 'redis', 'notifyBaseUrl', 'oneCode'],
  edge: ['orderStore', 'channels', 'http.host', 'http.port', 'oneCode.cashier', 'oneCode.publicUrl'],
  'order-store': ['orders.map', 'orders.user', 'orders.password', 'orders.database', 'orders.rowKeys'],
  projector: ['orders.map', 'orders.user', 'orders.password', 'orders.database', 'orders.rowKeys', 'store', 'redis'],
  notifier: [
    'orders.map',
    'orders.user',
    'orders.password',
    'orders.database',
    'orders.rowKeys',
    'store',
    'redis',
    'routing',
  ],
  query: ['orders.map', 'orders.user', 'orders.password', 'orders.database', 'orders.rowKeys', 'lists.store'],
  reconciler: [
    'orders.map',
    'orders.user',
    'orders.password',
    'orders.database',
    'orders.rowKeys',
    'channels',
    'syncer',
    'redis',
    'folder',
  ],
  routing: ['tableFile', 'stateFile', 'orderStore'],
  syncer: ['orderStore', 'channels', 'redis'],
  watch: ['http.host', 'http.port', 'processes'],
};

const pod: Json = {
  replicas: replicas(1),
  resources,
  drain: strict({
    preStopSeconds: whole(0, 120, 'The pod serves on while it leaves the endpoints.'),
    drainSeconds: whole(0, 60, 'Calls under way may take so long after SIGTERM.'),
    graceSeconds: whole(1, 600, 'Kubernetes kills after this; at least preStop + drain + 10.'),
  }),
  pdb: strict({
    maxUnavailable: whole(1, 100, 'Pods that a drain may take away at once.'),
    minAvailable: whole(0, 100, 'In the place of maxUnavailable; 0 is unset.'),
  }),
  spread: strict({ whenUnsatisfiable: oneOf(['ScheduleAnyway', 'DoNotSchedule'], 'Over zones and nodes.') }),
  autoscaling: strict({
    enabled: flag('Whether the number of pods follows the load.'),
    type: oneOf(['hpa', 'keda'], 'keda for queues.'),
    minReplicas: replicas(1),
    maxReplicas: replicas(1),
    cpuPercent: whole(1, 100, 'Of what is requested.'),
    inFlightPerPod: whole(0, 10_000, 'Calls under way per pod, by a metrics adapter; 0 looks at CPU alone.'),
    prometheusUrl: text('KEDA: where the metric of the queue is asked for.'),
    queueMetric: text('KEDA: a metric of ours.', { pattern: '^[a-z_]+$' }),
    queueThreshold: whole(1, 1_000_000, 'KEDA: the metric’s sum per pod.'),
  }),
  grey: strict({ replicas: replicas(0), image }),
  podLabels: open('Labels.'),
  podAnnotations: open('Annotations.'),
  nodeSelector: open('As in Kubernetes.'),
  nodeAffinity: open('As in Kubernetes.'),
  tolerations: openList('As in Kubernetes.'),
  priorityClassName: text('As in Kubernetes.', { pattern: NAME }),
  extraEnv: openList('As in Kubernetes.'),
  ownSecret: text('A Secret whose keys are files.', { pattern: NAME }),
  extraEgress: openList('As in a NetworkPolicy.'),
};

const secret: Json = {
  secretName: text('A Secret in the release’s namespace.', { pattern: NAME }),
  secretKey: text('A key in it.', { pattern: KEY }),
};

const servers: Json = {
  type: 'array',
  maxItems: 5,
  items: strict(
    { host: text('Of a database server.', { minLength: 1 }), port: whole(1, 65_535, 'Of it.') },
    { required: ['host', 'port'] },
  ),
};

const monitor = (more: Json): Json => strict({ enabled: flag('Off unless set.'), labels: open('Labels.'), ...more });

/** The schema of the chart's values, from the services' own configuration types. */
export const valuesSchema = ({ services, channels }: ServiceSchemas): Json => {
  const service = (name: string, schema: z.ZodType): Json =>
    strict({
      ...pod,
      enabled: flag('Whether it runs.'),
      config: partOf(schema, [...SERVER, ...(SET_BY_THE_CHART[name] ?? [])]),
    });
  const channel = strict(
    {
      ...pod,
      enabled: flag('Whether it runs.'),
      adapter: oneOf([...channels.keys()], 'Folder services/channel-<adapter>.'),
      secretName: secret['secretName'],
      egress: strict({
        cidrs: cidrs('Networks.'),
        except: cidrs('Networks inside 0.0.0.0/0 that are left out.'),
        ports: { type: 'array', items: whole(1, 65_535, 'TCP.'), minItems: 1 },
      }),
      config: open('Settings of the channel’s own configuration.'),
    },
    {
      required: ['adapter'],
      allOf: [...channels].map(([adapter, schema]) => ({
        if: { properties: { adapter: { const: adapter } } },
        // oxlint-disable-next-line unicorn/no-thenable -- A keyword of JSON Schema.
        then: { properties: { config: partOf(schema, [...SERVER, 'redis']) } },
      })),
    },
  );
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Values of the chart tillmesh',
    description: 'Made by npm run chart:generate from the services’ configuration types. Do not edit.',
    type: 'object',
    additionalProperties: false,
    properties: {
      // Told by name in _validate.tpl, with what has replaced them.
      ...Object.fromEntries(['replicaCount', 'orderGroups', 'jaeger'].map((name) => [name, {}])),
      profile: oneOf(['evaluation', 'production'], 'What the chart brings.'),
      nameOverride: text('Begin of every object’s name.', { pattern: '^$|^[a-z]([-a-z0-9]{0,34}[a-z0-9])?$' }),
      clusterDomain: text('The cluster’s DNS domain.', { minLength: 1 }),
      global: {
        type: 'object',
        description: 'Shared with other charts of an umbrella.',
        properties: {
          imageRegistry: text('In front of every image.'),
          imagePullSecrets: openList('Secrets for it.'),
        },
      },
      image: {
        ...image,
        properties: {
          ...(image['properties'] as Json),
          pullPolicy: oneOf(['Always', 'IfNotPresent', 'Never'], 'When it is pulled.'),
        },
      },
      logLevel: oneOf(
        ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
        'The least severe that is logged.',
      ),
      publicUrl: text('Address of the edge.', { pattern: '^$|^https?://[^?#]+[^/?#]$', maxLength: 31 }),
      discovery: strict({ mode: oneOf(['dns', 'endpointSlices'], 'How clients find instances.') }),
      tls: strict({
        mode: oneOf(['off', 'existingSecret', 'certManager'], 'gRPC between pods; mutual TLS unless off.'),
        existingSecret: strict({
          name: text('Secret with tls.crt, tls.key and ca.crt.', { pattern: NAME }),
          serverName: text('The name in its certificate; empty: the host names of all services.', { pattern: NAME }),
        }),
        certManager: strict({
          issuer: strict({
            name: text('Who signs.', { pattern: NAME }),
            kind: text('Issuer, ClusterIssuer or that of another group.', { pattern: '^[A-Za-z]{1,63}$' }),
            group: text('Its API group.', { pattern: '^[a-z0-9.-]{1,253}$' }),
          }),
          duration: text('Of a certificate, such as 2160h0m0s.', { pattern: HOURS }),
          renewBefore: text('Before its end, such as 720h0m0s.', { pattern: HOURS }),
        }),
      }),
      tracing: strict({
        endpoint: text('OTLP/HTTP.', { pattern: '^$|^https?://' }),
        ratio: { type: 'number', minimum: 0, maximum: 1, description: 'Share of payments that are traced.' },
      }),
      defaults: strict({ ...pod, config: strict({}) }),
      services: strict(
        Object.fromEntries(
          [...services].filter(([name]) => name !== 'sandbox').map(([name, schema]) => [name, service(name, schema)]),
        ),
      ),
      channels: {
        type: 'object',
        propertyNames: { pattern: '^[a-z0-9][a-z0-9-]{0,31}$' },
        additionalProperties: channel,
      },
      routing: strict({
        table: open('Merchants and accounts.'),
        persistence: strict({
          enabled: flag('Operators’ switches outlive the pod.'),
          size: text('Of the volume.'),
          storageClassName: text('The default one unless set.'),
        }),
      }),
      orders: strict({
        mapVersion: whole(1, 2 ** 31 - 1, 'Grows with each change of the groups.'),
        groups: {
          type: 'array',
          maxItems: 128,
          items: strict(
            {
              tag: whole(0, 127, 'Part of every order number of the group.'),
              state: oneOf(['open', 'closed', 'migrating', 'retired'], 'open takes new orders.'),
              endpoints: { ...servers, minItems: 1 },
              successor: whole(0, 127, 'Who has its orders.'),
            },
            { required: ['tag', 'endpoints'] },
          ),
        },
        database: text('Name of the schema.', { minLength: 1 }),
        serverConnectionsMax: whole(10, 100_000, 'max_connections of every server.'),
        accounts: strict(
          Object.fromEntries(
            ['app', 'read', 'migrate', 'lists', 'events'].map((name) => [
              name,
              strict({ user: text('Of the databases.', { minLength: 1 }), ...secret }),
            ]),
          ),
        ),
        rowKeys: strict({
          current: whole(1, 255, 'Id of the key for new rows.'),
          secretName: secret['secretName'],
          keys: {
            type: 'array',
            minItems: 1,
            items: strict(
              { id: whole(1, 255, 'Of the key.'), secretKey: secret['secretKey'] },
              { required: ['id', 'secretKey'] },
            ),
          },
        }),
      }),
      lists: strict({
        endpoints: servers,
        database: text('Name of the schema.', { pattern: '^[0-9A-Za-z_]{1,64}$' }),
        eventsDatabase: text('Name of the schema.', { pattern: '^[0-9A-Za-z_]{1,64}$' }),
      }),
      redis: strict({ host: text('Of Redis.'), port: whole(1, 65_535, 'Of it.'), ...secret }),
      migration: strict({
        enabled: flag('A job at each change, and one every day.'),
        schedule: text('As cron has it.', { pattern: '^(\\S+ ){4}\\S+$' }),
        retentionDays: { anyOf: [{ const: 0 }, whole(7, 3_650, 'Days.')], description: '0 keeps all.' },
        resources,
      }),
      networkPolicy: strict({
        enabled: flag('Nobody speaks with anybody but as the mesh needs it.'),
        callers: strict(
          Object.fromEntries(
            ['cashier', 'query', 'edge', 'watch', 'routing', 'syncer'].map((name) => [name, openList('Peers.')]),
          ),
        ),
        monitoring: openList('Peers that may read metrics.'),
        stores: strict(
          Object.fromEntries(['orders', 'lists', 'redis', 'tracing'].map((name) => [name, cidrs('Networks.')])),
        ),
        apiServerCidrs: cidrs('Addresses of the API server.'),
      }),
      monitoring: strict({
        serviceMonitor: monitor({ interval: text('Between looks.'), scrapeTimeout: text('Less than the interval.') }),
        prometheusRule: monitor({}),
        dashboards: monitor({}),
      }),
      evaluation: strict({
        groupTags: {
          type: 'array',
          minItems: 1,
          maxItems: 8,
          uniqueItems: true,
          items: whole(0, 127, 'Tag of a group.'),
        },
        storage: strict({ size: text('Of each volume.'), storageClassName: text('The default one unless set.') }),
        images: strict({ mariadb: image, redis: image, jaeger: image }),
        resources: strict({ database: resources, other: resources }),
      }),
    },
  };
};
