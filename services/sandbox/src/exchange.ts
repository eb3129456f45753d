import type { Clock, Random } from '@tillmesh/clock';
import type { Alteration } from './alter-answer.ts';
import type { HttpAnswer, HttpReply } from './http-server.ts';
import type { LimitedExchange } from './limits.ts';
import { logNormalMs } from './log-normal.ts';
import type { SignatureMode, WireFaults } from './script.ts';
import { pageReply } from './web-page.ts';

const cutInHalf = (answer: HttpAnswer): HttpAnswer => ({
  ...answer,
  body: answer.body.subarray(0, Math.floor(answer.body.length / 2)),
});

/** An order that a question is about, and what is answered where there is none. */
export type Seen = {
  /** Undefined where there is no such order. */
  readonly createdAtMs: number | undefined;
  readonly code: string;
};

const isUnseen = ({ createdAtMs }: Seen, { seesLateMs }: WireFaults, nowMs: number): boolean =>
  createdAtMs !== undefined && nowMs - createdAtMs < seesLateMs;

/**
 * Carries out one request with whatever a script lets go wrong, in this order: delay, loss or error page before the
 * commit; commit, made durable; delay, loss, error page or damage after it.
 *
 * @param limited what the merchant's limits say; a refusal by them is answered where the work would be done.
 * @param seen of a question: the order that it is about; what sees late does not know it yet.
 * @param alter puts in an answer what a script wants to be new in it.
 * @param isFailure whether an answer is a refusal of the channel's own, which some limits count.
 * @param perform does what was asked, in one synchronous step.
 * @param decline refuses what was asked with a channel's code; may keep that in the order.
 * @param errorAnswer the answer with a channel's code, and nothing else.
 */
export const exchangeWithFaults = async <Answer>(options: {
  readonly faults: WireFaults;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly durable: () => Promise<void>;
  readonly limited: LimitedExchange;
  readonly seen: Seen | undefined;
  readonly perform: () => Answer;
  readonly decline: (code: string) => Answer;
  readonly errorAnswer: (code: string) => Answer;
  readonly isFailure: (answer: Answer) => boolean;
  readonly alter: (answer: Answer, alteration: Alteration) => Answer;
  readonly render: (answer: Answer, signature: SignatureMode) => HttpAnswer;
}): Promise<HttpReply> => {
  const { faults, clock, random, signal, limited, seen } = options;
  if (faults.delayBeforeMs > 0) await clock.sleep(faults.delayBeforeMs, signal);
  if (faults.lost?.when === 'before_commit') return { kind: faults.lost.how };
  if (faults.page?.commit === false) return pageReply(faults.page.status);

  const isCommitted = faults.truncated?.commit !== false;
  let answer: Answer;
  if (limited.refusedCode !== undefined) answer = options.errorAnswer(limited.refusedCode);
  else if (seen !== undefined && isUnseen(seen, faults, clock.nowMs())) answer = options.errorAnswer(seen.code);
  else if (faults.declineCode !== undefined) answer = options.decline(faults.declineCode);
  else if (isCommitted) answer = options.perform();
  else answer = options.errorAnswer('SYSTEM_ERROR');
  if (faults.errorAfterCommitCode !== undefined && limited.refusedCode === undefined)
    answer = options.errorAnswer(faults.errorAfterCommitCode);
  if (options.isFailure(answer)) limited.failed();
  await options.durable();

  // The work is done: a client that leaves during this delay does not undo it.
  const latencyMs =
    faults.latency === undefined ? 0 : logNormalMs(random, faults.latency.medianMs, faults.latency.p99Ms);
  const delayMs = faults.delayAfterMs + latencyMs;
  if (delayMs > 0) await clock.sleep(delayMs, signal);
  if (faults.lost?.when === 'after_commit') return { kind: faults.lost.how };
  if (faults.page !== undefined) return pageReply(faults.page.status);
  const rendered = options.render(options.alter(answer, faults.alteration), faults.signature);
  return faults.truncated === undefined ? rendered : cutInHalf(rendered);
};
