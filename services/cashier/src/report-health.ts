import type { Clock } from '@tillmesh/clock';
import type { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { type Log, withoutSpans } from '@tillmesh/telemetry';
import { accountReportToWire } from '@tillmesh/wire';
import type { AccountHealths } from './account-health.ts';

const REPORT_EVERY_MS = 1_000;
const REPORT_MS_MAX = 1_000;
const CAUSE_MAX = 64;

/**
 * Tells routing what this process knows of the accounts' health: every second, and at once when an account falls sick or stops being so.
 * Routing may be away: then nobody hears it, and payments go on.
 */
export const reportHealth = (deps: {
  readonly routing: Pick<RpcClient<typeof RoutingService>, 'reportHealth'>;
  readonly health: Pick<AccountHealths, 'reports' | 'onOpinion'>;
  readonly reporter: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): void => {
  const { routing, health, reporter, clock, log, signal } = deps;
  let wake = (): void => undefined;
  let isNews = false;
  let isSilent = false;
  health.onOpinion(() => {
    isNews = true;
    wake();
  });

  const report = async (): Promise<void> => {
    const accounts = health
      .reports()
      .map((one) => accountReportToWire({ ...one, cause: one.cause.slice(0, CAUSE_MAX) }));
    try {
      await routing.reportHealth({ reporter, accounts }, { capMs: REPORT_MS_MAX, signal });
      if (isSilent) log.info({}, 'routing hears of the accounts’ health again');
      isSilent = false;
    } catch (error) {
      if (!isSilent && !signal.aborted) {
        log.warn({ err: error }, 'routing does not hear of the accounts’ health; this process decides by what it sees');
      }
      isSilent = true;
    }
  };
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(REPORT_EVERY_MS, () => wake());
      wake = () => {
        cancel();
        wake = () => undefined;
        resolve();
      };
      if (isNews || signal.aborted) wake();
    });
  const goOn = async (): Promise<void> => {
    while (!signal.aborted) {
      isNews = false;
      await report();
      await pause();
    }
  };
  withoutSpans(goOn).catch((error: unknown) => log.error({ err: error }, 'health is not reported any more'));
};
