import type { Clock } from '@tillmesh/clock';
import { remainingMs, rpcErrors } from '@tillmesh/rpc';
import { APPLY_RESERVE_MS, CHANNEL_MS_MIN } from './carry-payment.ts';

/** A group answers a write within a second or another one takes it. */
const WRITE_MS_MAX = 1_000;
const WORK_MS_MIN = WRITE_MS_MAX + CHANNEL_MS_MIN + APPLY_RESERVE_MS;
/** What a caller has to allow: the work, and what each hop keeps for its answer. Stands in cashier_service.proto too. */
const DEADLINE_MS_MIN = 5_000;

/**
 * Refuses, before anything is written, a payment whose caller leaves no time to ask the channel: it would be declined although
 * nobody had been asked.
 *
 * @throws {RpcError} DEADLINE_TOO_SHORT
 */
export const demandTimeToPay = (clock: Clock): void => {
  const leftMs = Math.floor(remainingMs(clock));
  if (leftMs >= WORK_MS_MIN) return;
  throw rpcErrors.deadlineTooShort(
    `a payment needs a deadline of ${DEADLINE_MS_MIN} ms and ${leftMs} ms are left; nothing was done. Call with a longer deadline`,
    { metadata: { needed_ms: String(DEADLINE_MS_MIN), remaining_ms: String(leftMs) } },
  );
};
