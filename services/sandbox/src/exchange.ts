import type { Clock } from '@tillmesh/clock';
import type { HttpAnswer, HttpReply } from './http-server.ts';
import type { SignatureMode, WireFaults } from './script.ts';

const pageReply = (status: number): HttpAnswer => {
  const title = status === 200 ? 'Welcome' : `${status} Error`;
  return {
    kind: 'answer',
    status,
    headers: { 'content-type': 'text/html' },
    body: Buffer.from(
      `<html>\n<head><title>${title}</title></head>\n<body>\n<center><h1>${title}</h1></center>\n</body>\n</html>\n`,
    ),
  };
};

const cutInHalf = (answer: HttpAnswer): HttpAnswer => ({
  ...answer,
  body: answer.body.subarray(0, Math.floor(answer.body.length / 2)),
});

/**
 * Carries out one request with whatever a script lets go wrong, in this order: delay, loss or error page before the
 * commit; commit, made durable; delay, loss, error page or damage after it.
 *
 * @param perform does what was asked, in one synchronous step.
 * @param decline refuses what was asked with a channel's code; may keep that in the order.
 * @param errorAnswer the answer with a channel's code, and nothing else.
 */
export const exchangeWithFaults = async <Answer>(options: {
  readonly faults: WireFaults;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly durable: () => Promise<void>;
  readonly perform: () => Answer;
  readonly decline: (code: string) => Answer;
  readonly errorAnswer: (code: string) => Answer;
  readonly render: (answer: Answer, signature: SignatureMode) => HttpAnswer;
}): Promise<HttpReply> => {
  const { faults, clock, signal } = options;
  if (faults.delayBeforeMs > 0) await clock.sleep(faults.delayBeforeMs, signal);
  if (faults.lost?.when === 'before_commit') return { kind: faults.lost.how };
  if (faults.page?.commit === false) return pageReply(faults.page.status);

  const isCommitted = faults.truncated?.commit !== false;
  let answer: Answer;
  if (faults.declineCode !== undefined) answer = options.decline(faults.declineCode);
  else if (isCommitted) answer = options.perform();
  else answer = options.errorAnswer('SYSTEM_ERROR');
  if (faults.errorAfterCommitCode !== undefined) answer = options.errorAnswer(faults.errorAfterCommitCode);
  await options.durable();

  // The work is done: a client that leaves during this delay does not undo it.
  if (faults.delayAfterMs > 0) await clock.sleep(faults.delayAfterMs, signal);
  if (faults.lost?.when === 'after_commit') return { kind: faults.lost.how };
  if (faults.page !== undefined) return pageReply(faults.page.status);
  const rendered = options.render(answer, faults.signature);
  return faults.truncated === undefined ? rendered : cutInHalf(rendered);
};
