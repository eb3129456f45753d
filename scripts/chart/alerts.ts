/** An alert of Prometheus. */
export type Alert = {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: 'page' | 'ticket' };
  readonly annotations: { readonly summary: string; readonly runbook: string };
};

const HERE = 'namespace="NAMESPACE"';

/** The share of calls of the cashier that ended by a fault of ours in a window. Declines are answers, not faults. */
const badShare = (window: string): string => {
  const calls = `rpc_server_call_duration_seconds_count{${HERE},rpc_method=~"tillmesh.cashier.*"`;
  const bad = 'UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS|RESOURCE_EXHAUSTED';
  return `(sum(rate(${calls},rpc_status_code=~"${bad}"}[${window}])) / sum(rate(${calls}}[${window}])))`;
};

/** 99.95 % of calls without a fault of ours; pages at 14.4 times the budget, tickets at 3 times (Google's SRE workbook, chapter 5). */
const ERROR_BUDGET = 0.0005;

const burns = (factor: number, short: string, long: string): string =>
  `${badShare(short)} > ${factor * ERROR_BUDGET} and ${badShare(long)} > ${factor * ERROR_BUDGET}`;

/**
 * Whether something was counted in the last ten minutes. A process has no such series before it counts for the first time, and `increase`
 * sees no growth in a series that begins: that first time is the one to be told of.
 */
const counted = (metric: string, by?: string, only = ''): string => {
  const series = `${metric}{${[HERE, only].filter((label) => label !== '').join(',')}}`;
  const sum = by === undefined ? 'sum' : `sum by (${by})`;
  return `${sum} (increase(${series}[10m])) > 0 or ${sum} (${series} unless ${series} offset 10m) > 0`;
};

const alert = (
  name: string,
  severity: 'page' | 'ticket',
  expr: string,
  lasts: string,
  summary: string,
  runbook: string,
): Alert => ({ alert: name, expr, for: lasts, labels: { severity }, annotations: { summary, runbook } });

/** The rules of the chart's PrometheusRule; NAMESPACE stands for the release's. */
export const alerts = (): {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Alert[] }[];
} => ({
  groups: [
    {
      name: 'tillmesh.payments',
      rules: [
        alert(
          'TillmeshPaymentsFail',
          'page',
          burns(14.4, '5m', '1h'),
          '2m',
          'Payments fail by our own fault at 14 times the error budget.',
          'docs/operating.md#payments-fail',
        ),
        alert(
          'TillmeshPaymentsFailSlowly',
          'ticket',
          burns(3, '2h', '1d'),
          '15m',
          'Payments fail by our own fault at 3 times the error budget.',
          'docs/operating.md#payments-fail',
        ),
        alert(
          'TillmeshNeedsPerson',
          'page',
          counted('tillmesh_needs_person_total'),
          '0m',
          'A payment or refund that nobody can settle waits for a person.',
          'docs/operating.md#a-payment-needs-a-person',
        ),
        alert(
          'TillmeshTwoOrders',
          'page',
          counted('tillmesh_two_orders_total'),
          '0m',
          'Two payable orders of one merchant number: the gravest alarm.',
          'docs/order-store.md',
        ),
      ],
    },
    {
      name: 'tillmesh.mesh',
      rules: [
        alert(
          'TillmeshLaneOpen',
          'page',
          `max by (pod, lane) (tillmesh_lane_open{${HERE}}) == 1`,
          '1m',
          'A lane refuses calls because its neighbour is sick.',
          'docs/lanes.md',
        ),
        alert(
          'TillmeshOverloaded',
          'page',
          `sum by (pod) (rate(tillmesh_admission_shed_total{${HERE},priority="payment"}[5m])) > 0`,
          '2m',
          'Payments are refused because a process has too much to do.',
          'docs/overload.md',
        ),
        alert(
          'TillmeshNearlyFull',
          'ticket',
          `max by (pod) (tillmesh_rpc_in_flight{${HERE}}) / max by (pod) (tillmesh_rpc_in_flight_max{${HERE}}) > 0.8`,
          '5m',
          'A process has four fifths of the calls that it takes at once.',
          'docs/operating.md#scaling',
        ),
        alert(
          'TillmeshEscapedError',
          'ticket',
          counted('tillmesh_escaped_errors_total', 'pod'),
          '0m',
          'An error that no handler caught: a bug to mend.',
          'docs/operating.md#reading-the-logs',
        ),
        alert(
          'TillmeshCertificateRefused',
          'ticket',
          counted('tillmesh_tls_reloads_total', 'pod', 'end="refused"'),
          '0m',
          'New certificates do not fit together: the process goes on with those before.',
          'docs/operating.md#tls',
        ),
        alert(
          'TillmeshCertificateEnds',
          'page',
          `min by (pod) (tillmesh_tls_certificate_ends_seconds{${HERE}}) - time() < 86400`,
          '5m',
          'The certificate of a process ends within a day: then no neighbour speaks with it any more.',
          'docs/operating.md#tls',
        ),
      ],
    },
    {
      name: 'tillmesh.databases',
      rules: [
        alert(
          'TillmeshGroupAvoided',
          'page',
          `max by (group) (tillmesh_order_group_avoided{${HERE}}) == 1`,
          '1m',
          'New orders avoid an order group.',
          'docs/running-groups.md',
        ),
        alert(
          'TillmeshNodeFindings',
          'page',
          `max(tillmesh_node_findings{${HERE}}) > 0`,
          '1m',
          'A database server has settings or grants with which data may be lost.',
          'docs/running-groups.md',
        ),
        alert(
          'TillmeshListsBehind',
          'ticket',
          `max(tillmesh_projection_lag_ms{${HERE}}) > 60000`,
          '5m',
          'The lists by merchant are a minute behind.',
          'docs/running-groups.md',
        ),
      ],
    },
  ],
});
