import type { NodeFacts } from './dialect.ts';

/** Why a write that a primary acknowledges could be lost; empty when it is safe. */
export const unsafeReason = (before: NodeFacts | undefined, now: NodeFacts): string => {
  if (!now.semiSyncOn) return 'semi-sync is off: an acknowledged order could be lost';
  if (now.semiSyncClients === 0) return 'no replica acknowledges';
  if (before !== undefined && now.unacknowledgedCommits > before.unacknowledgedCommits) {
    return 'commits were acknowledged without a replica';
  }
  return '';
};
