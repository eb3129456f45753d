import { type Clock, repeat } from '@tillmesh/clock';
import type { AccountId } from '@tillmesh/domain';
import type { RoutingService } from '@tillmesh/proto/tillmesh/routing/v1/routing_service_pb.ts';
import type { RpcClient } from '@tillmesh/rpc';
import { type Log, withoutSpans } from '@tillmesh/telemetry';
import type { AccountHealths } from './account-health.ts';

const EVERY_MS = 1_000;
const CALL_MS_MAX = 800;
const REASON_MAX = 64;

/** Tells routing once a second how accounts do here, and hears how they do elsewhere. Without routing each cashier knows its own. */
export const reportHealth = (options: {
  readonly routing: Pick<RpcClient<typeof RoutingService>, 'reportHealth'>;
  readonly health: Pick<AccountHealths, 'own' | 'heard'>;
  readonly instance: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): Promise<void> => {
  const { routing, health, instance, clock, log, signal } = options;
  const task = async (): Promise<void> => {
    const accounts = health
      .own()
      .filter(({ share, handled, failed }) => share < 1 || handled + failed > 0)
      .map(({ share, reason, ...account }) => ({
        ...account,
        sharePercent: Math.round(share * 100),
        reason: reason.slice(0, REASON_MAX),
      }));
    const answer = await routing.reportHealth(
      { instance, accounts },
      { capMs: CALL_MS_MAX, priority: 'query', signal },
    );
    health.heard(
      answer.accounts.map(({ accountId, sharePercent, handled, failed, reason }) => ({
        accountId: accountId as AccountId,
        share: sharePercent / 100,
        handled,
        failed,
        reason,
      })),
    );
  };
  return withoutSpans(() =>
    repeat({
      clock,
      everyMs: EVERY_MS,
      signal,
      task,
      onError: (error) =>
        log.debug({ err: error }, 'routing hears nothing of accounts; this cashier goes by what it sees itself'),
    }),
  );
};
