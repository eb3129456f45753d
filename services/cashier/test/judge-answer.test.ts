import { ManualClock } from '@tillmesh/clock';
import { createLane } from '@tillmesh/lane';
import { Transport } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { expect, test } from 'vitest';
import { judgingAnswers } from '../src/judge-answer.ts';

const CALLS = 30;

test.each([
  ['answered by its channel', Transport.ANSWERED, '', 'closed'],
  ['sent and not answered', Transport.MAYBE_SENT, 'ETIMEDOUT', 'open'],
  ['not even sent', Transport.NOT_SENT, 'ECONNREFUSED', 'open'],
  ['held back because its own lane is open', Transport.NOT_SENT, 'lane_open', 'open'],
  ['held back because it has too much to do', Transport.NOT_SENT, 'lane_full', 'closed'],
  ['held back because its channel has agreed to no more', Transport.NOT_SENT, 'contract_rate', 'closed'],
  ['held back because too little time was left', Transport.NOT_SENT, 'no_time_left', 'closed'],
] as const)(
  'an adapter whose calls were %s leaves the lane to it as it should be',
  async (_what, transport, channelMessage, breaker) => {
    const clock = new ManualClock();
    const lane = createLane(
      {
        name: 'channel-test.pay',
        concurrentMax: 8,
        queuedMax: 0,
        queueWaitMsMax: 0,
        timeoutMs: 1_000,
        halfOpenAfterMs: 60_000,
      },
      clock,
    );
    const passage = judgingAnswers(lane);
    for (let call = 0; call < CALLS; call += 1) {
      await passage.run(async () => ({ result: { transport, channelMessage } }), {}).catch(() => undefined);
    }
    expect(lane.health.breaker).toBe(breaker);
  },
);
