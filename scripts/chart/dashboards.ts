type Panel = {
  readonly title: string;
  readonly unit: string;
  readonly queries: readonly (readonly [query: string, legend: string])[];
};

const HERE = 'namespace="$namespace"';
const calls = (more = ''): string => `rpc_server_call_duration_seconds_count{${HERE}${more}}`;
const quantile = (q: number, metric: string, by: string): string =>
  `histogram_quantile(${q}, sum by (le, ${by}) (rate(${metric}_bucket{${HERE}}[$__rate_interval])))`;

const PAYMENTS: readonly Panel[] = [
  {
    title: 'Calls of the cashier',
    unit: 'reqps',
    queries: [
      [`sum by (rpc_method) (rate(${calls(',rpc_method=~"tillmesh.cashier.*"')}[$__rate_interval]))`, '{{rpc_method}}'],
    ],
  },
  {
    title: 'How they end',
    unit: 'reqps',
    queries: [
      [
        `sum by (rpc_status_code) (rate(${calls(',rpc_method=~"tillmesh.cashier.*"')}[$__rate_interval]))`,
        '{{rpc_status_code}}',
      ],
    ],
  },
  {
    title: 'Time of calls, p50 and p99',
    unit: 's',
    queries: [
      [quantile(0.5, 'rpc_server_call_duration_seconds', 'rpc_method'), 'p50 {{rpc_method}}'],
      [quantile(0.99, 'rpc_server_call_duration_seconds', 'rpc_method'), 'p99 {{rpc_method}}'],
    ],
  },
  {
    title: 'Refusals by reason',
    unit: 'reqps',
    queries: [[`sum by (reason) (rate(tillmesh_rpc_server_errors_total{${HERE}}[$__rate_interval]))`, '{{reason}}']],
  },
  {
    title: 'Attempts at channels',
    unit: 'reqps',
    queries: [[`sum by (outcome) (rate(tillmesh_attempts_total{${HERE}}[$__rate_interval]))`, '{{outcome}}']],
  },
  {
    title: 'Needs a person',
    unit: 'short',
    queries: [[`sum(increase(tillmesh_needs_person_total{${HERE}}[$__range]))`, 'payments and refunds']],
  },
];

const MESH: readonly Panel[] = [
  {
    title: 'Under way, by pod',
    unit: 'short',
    queries: [[`max by (pod) (tillmesh_rpc_in_flight{${HERE}})`, '{{pod}}']],
  },
  {
    title: 'Lanes: under way',
    unit: 'short',
    queries: [[`sum by (lane) (tillmesh_lane_in_flight{${HERE}})`, '{{lane}}']],
  },
  { title: 'Lanes: waiting', unit: 'short', queries: [[`sum by (lane) (tillmesh_lane_queued{${HERE}})`, '{{lane}}']] },
  {
    title: 'Lanes that refuse',
    unit: 'short',
    queries: [[`max by (pod, lane) (tillmesh_lane_open{${HERE}}) > 0`, '{{pod}} {{lane}}']],
  },
  {
    title: 'Time in lanes, p99',
    unit: 's',
    queries: [[quantile(0.99, 'tillmesh_lane_call_seconds', 'lane'), '{{lane}}']],
  },
  {
    title: 'Shed',
    unit: 'reqps',
    queries: [[`sum by (priority) (rate(tillmesh_admission_shed_total{${HERE}}[$__rate_interval]))`, '{{priority}}']],
  },
  {
    title: 'Instances that clients know',
    unit: 'short',
    queries: [[`sum by (target, state) (tillmesh_rpc_endpoints{${HERE}})`, '{{target}} {{state}}']],
  },
  {
    title: 'Event loop, late by',
    unit: 'ms',
    queries: [[`max by (pod) (tillmesh_event_loop_delay_ms{${HERE}})`, '{{pod}}']],
  },
];

const GROUPS: readonly Panel[] = [
  {
    title: 'Orders created',
    unit: 'reqps',
    queries: [[`sum by (group) (rate(tillmesh_orders_created_total{${HERE}}[$__rate_interval]))`, 'group {{group}}']],
  },
  {
    title: 'Groups that new orders avoid',
    unit: 'short',
    queries: [[`max by (group) (tillmesh_order_group_avoided{${HERE}})`, 'group {{group}}']],
  },
  {
    title: 'Freshest replica, behind by',
    unit: 'ms',
    queries: [[`max by (group) (tillmesh_replica_stale_ms{${HERE}})`, 'group {{group}}']],
  },
  { title: 'Unsafe servers', unit: 'short', queries: [[`max(tillmesh_node_findings{${HERE}})`, 'findings']] },
  {
    title: 'Lists by merchant, behind by',
    unit: 'ms',
    queries: [[`max(tillmesh_projection_lag_ms{${HERE}})`, 'lists']],
  },
  {
    title: 'Channel calls by end',
    unit: 'reqps',
    queries: [[`sum by (channel) (rate(tillmesh_channel_calls_total{${HERE}}[$__rate_interval]))`, '{{channel}}']],
  },
];

const COLUMNS = 2;
const WIDTH = 24 / COLUMNS;
const HEIGHT = 8;

const dashboard = (uid: string, title: string, panels: readonly Panel[]): object => ({
  uid: `tillmesh-${uid}`,
  title: `Tillmesh: ${title}`,
  tags: ['tillmesh'],
  timezone: 'browser',
  schemaVersion: 39,
  refresh: '10s',
  time: { from: 'now-1h', to: 'now' },
  templating: {
    list: [
      { name: 'source', type: 'datasource', query: 'prometheus', label: 'Prometheus' },
      {
        name: 'namespace',
        type: 'query',
        datasource: { type: 'prometheus', uid: '$source' },
        query: 'label_values(tillmesh_rpc_in_flight, namespace)',
        refresh: 1,
      },
    ],
  },
  panels: panels.map(({ title: heading, unit, queries }, place) => ({
    id: place + 1,
    type: 'timeseries',
    title: heading,
    datasource: { type: 'prometheus', uid: '$source' },
    gridPos: { x: (place % COLUMNS) * WIDTH, y: Math.floor(place / COLUMNS) * HEIGHT, w: WIDTH, h: HEIGHT },
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: {
      tooltip: { mode: 'multi', sort: 'desc' },
      legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
    },
    targets: queries.map(([expr, legendFormat], index) => ({
      refId: String.fromCharCode(65 + index),
      expr,
      legendFormat,
      exemplar: true,
    })),
  })),
});

/** Grafana's dashboards, as it imports them. */
export const dashboards = (): readonly { readonly name: string; readonly dashboard: object }[] => [
  { name: 'payments', dashboard: dashboard('payments', 'payments', PAYMENTS) },
  { name: 'mesh', dashboard: dashboard('mesh', 'mesh', MESH) },
  { name: 'groups', dashboard: dashboard('groups', 'order groups and channels', GROUPS) },
];
