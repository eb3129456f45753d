/** Values of a series, one a minute, as promtool writes them: `0+5x60` grows by 5 sixty times, `_x60` is not there for so long. */
export type Series = Readonly<Record<string, string>>;

/** A time in which one alert has to fire. */
export type AlertCase = {
  readonly alert: string;
  readonly why: string;
  /** In the place of the healthy world's series of that name, or besides them. */
  readonly series: Series;
  readonly afterMinutes: number;
  /** Of the alert, its severity aside. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Alerts that have to stay silent at that time. */
  readonly not?: readonly string[];
};

export const NAMESPACE = 'payments';
const POD = 'pay-cashier-1';
const LONG = 3_000;

const series = (name: string, labels: Readonly<Record<string, string>> = {}, namespace = NAMESPACE): string => {
  const all = { namespace, pod: POD, ...labels };
  return `${name}{${Object.entries(all)
    .map(([label, value]) => `${label}="${value}"`)
    .join(',')}}`;
};

const CREATE = 'tillmesh.cashier.v1.CashierService/CreatePayment';
const calls = (status: string, method = CREATE): string =>
  series('rpc_server_call_duration_seconds_count', { rpc_method: method, rpc_status_code: status });

const PERSON = series('tillmesh_needs_person_total', { kind: 'payment' });
const TWO_ORDERS = series('tillmesh_two_orders_total');
const LANE = series('tillmesh_lane_open', { lane: 'channel:wechat' });
const SHED = series('tillmesh_admission_shed_total', { priority: 'payment' });
const IN_FLIGHT = series('tillmesh_rpc_in_flight');
const ESCAPED = series('tillmesh_escaped_errors_total', { kind: 'rejection' });
const CERTIFICATE_REFUSED = series('tillmesh_tls_reloads_total', { end: 'refused' });
const CERTIFICATE_ENDS = series('tillmesh_tls_certificate_ends_seconds');
const AVOIDED = series('tillmesh_order_group_avoided', { group: '1' });
const FINDINGS = series('tillmesh_node_findings', { node: 'a', finding: 'read_only' });
const LAG = series('tillmesh_projection_lag_ms', { group: '2' });

/** A hundred payments a second, a little of everything that happens every day, and another release's mesh that is sick. */
export const HEALTHY: Series = {
  [calls('OK')]: `0+6000x${LONG}`,
  // Declines and refused requests are answers.
  [calls('FAILED_PRECONDITION')]: `0+600x${LONG}`,
  [calls('INVALID_ARGUMENT')]: `0+300x${LONG}`,
  // 0.014 %, of a budget of 0.05 %.
  [calls('UNAVAILABLE')]: `0+1x${LONG}`,
  // What fails elsewhere than at the cashier has alerts of its own.
  [calls('UNAVAILABLE', 'tillmesh.query.v1.QueryService/ListPayments')]: `0+600x${LONG}`,
  // Told long ago.
  [PERSON]: `3x${LONG}`,
  [TWO_ORDERS]: `0x${LONG}`,
  [LANE]: `0x${LONG}`,
  [SHED]: `0x${LONG}`,
  [series('tillmesh_admission_shed_total', { priority: 'list' })]: `0+60x${LONG}`,
  [IN_FLIGHT]: `100x${LONG}`,
  [series('tillmesh_rpc_in_flight_max')]: `400x${LONG}`,
  [ESCAPED]: `2x${LONG}`,
  [series('tillmesh_tls_reloads_total', { end: 'taken' })]: `_x30 1x${LONG}`,
  // promtool's time begins at 1970: thirty days later.
  [CERTIFICATE_ENDS]: `${30 * 86_400}x${LONG}`,
  [AVOIDED]: `0x${LONG}`,
  [FINDINGS]: `0x${LONG}`,
  [LAG]: `800x${LONG}`,
  [series('tillmesh_lane_open', { lane: 'channel:wechat' }, 'other')]: `1x${LONG}`,
  [series('tillmesh_order_group_avoided', { group: '1' }, 'other')]: `1x${LONG}`,
  [series('tillmesh_two_orders_total', {}, 'other')]: `0+1x${LONG}`,
};

/** When everything has to be silent in the healthy world, minutes: after an hour, and with a whole day behind it. */
export const HEALTHY_AT: readonly number[] = [70, 1_600];

/** After so many minutes something goes wrong. */
const WRONG = 60;

export const alertCases: readonly AlertCase[] = [
  {
    alert: 'TillmeshPaymentsFail',
    why: '1.4 % of the calls fail by our own fault',
    series: { [calls('UNAVAILABLE')]: `0+100x${LONG}` },
    afterMinutes: 70,
  },
  {
    alert: 'TillmeshPaymentsFail',
    why: 'everything has failed for ten minutes: the hour is spent as well',
    series: { [calls('OK')]: `0+6000x60 360000x${LONG}`, [calls('UNAVAILABLE')]: `0x60 0+6000x${LONG}` },
    afterMinutes: WRONG + 10,
  },
  {
    alert: 'TillmeshPaymentsFailSlowly',
    why: '0.22 % of the calls fail by our own fault, all day',
    series: { [calls('INTERNAL')]: `0+15x${LONG}` },
    afterMinutes: 1_500,
    not: ['TillmeshPaymentsFail'],
  },
  {
    alert: 'TillmeshNeedsPerson',
    why: 'one more than before',
    series: { [PERSON]: `3x60 4x${LONG}` },
    afterMinutes: WRONG + 5,
  },
  {
    alert: 'TillmeshNeedsPerson',
    why: 'the first of a process, which had no such series before',
    series: { [PERSON]: `_x60 1x${LONG}` },
    afterMinutes: WRONG + 5,
  },
  {
    alert: 'TillmeshTwoOrders',
    why: 'the first',
    series: { [TWO_ORDERS]: `0x60 1x${LONG}` },
    afterMinutes: WRONG + 5,
  },
  {
    alert: 'TillmeshLaneOpen',
    why: 'open for two minutes',
    series: { [LANE]: `0x60 1x${LONG}` },
    afterMinutes: WRONG + 3,
    labels: { pod: POD, lane: 'channel:wechat' },
  },
  {
    alert: 'TillmeshOverloaded',
    why: 'payments are refused',
    series: { [SHED]: `0x60 0+5x${LONG}` },
    afterMinutes: WRONG + 6,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshNearlyFull',
    why: '350 of 400',
    series: { [IN_FLIGHT]: `100x60 350x${LONG}` },
    afterMinutes: WRONG + 8,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshEscapedError',
    why: 'one more than before',
    series: { [ESCAPED]: `2x60 3x${LONG}` },
    afterMinutes: WRONG + 5,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshEscapedError',
    why: 'the first of a process, which had no such series before',
    series: { [ESCAPED]: `_x60 1x${LONG}` },
    afterMinutes: WRONG + 5,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshCertificateRefused',
    why: 'new files of which one is another one’s',
    series: { [CERTIFICATE_REFUSED]: `_x60 1x${LONG}` },
    afterMinutes: WRONG + 5,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshCertificateEnds',
    why: 'less than a day is left, and nobody has renewed it',
    series: { [CERTIFICATE_ENDS]: `${90 * 60}x${LONG}` },
    afterMinutes: WRONG + 10,
    labels: { pod: POD },
  },
  {
    alert: 'TillmeshGroupAvoided',
    why: 'one group for two minutes',
    series: { [AVOIDED]: `0x60 1x${LONG}` },
    afterMinutes: WRONG + 3,
    labels: { group: '1' },
  },
  {
    alert: 'TillmeshNodeFindings',
    why: 'one server may be written to',
    series: { [FINDINGS]: `0x60 1x${LONG}` },
    afterMinutes: WRONG + 3,
  },
  {
    alert: 'TillmeshListsBehind',
    why: '70 s behind for ten minutes',
    series: { [LAG]: `800x60 70000x${LONG}` },
    afterMinutes: WRONG + 10,
  },
];

/** Moments at which something has begun that an alert waits for: it has to be silent still. */
export const notYet: readonly Pick<AlertCase, 'alert' | 'series' | 'afterMinutes'>[] = [
  // A single look at an open lane is what the next one may have mended.
  { alert: 'TillmeshLaneOpen', series: { [LANE]: `0x60 1x1 0x${LONG}` }, afterMinutes: WRONG + 3 },
  { alert: 'TillmeshNearlyFull', series: { [IN_FLIGHT]: `100x60 350x${LONG}` }, afterMinutes: WRONG + 3 },
  { alert: 'TillmeshListsBehind', series: { [LAG]: `800x60 70000x2 800x${LONG}` }, afterMinutes: WRONG + 7 },
  // Ten minutes later nobody is told again.
  { alert: 'TillmeshNeedsPerson', series: { [PERSON]: `_x60 1x${LONG}` }, afterMinutes: WRONG + 25 },
];
