import { ManualClock } from '@tillmesh/clock';
import { Code, runAsCall } from '@tillmesh/rpc';
import { expect, test } from 'vitest';
import { demandTimeToPay } from '../src/enough-time.ts';

const demandWithin = async (budgetMs: number): Promise<void> => {
  const clock = new ManualClock();
  await runAsCall({ name: 'test', caller: 'test', priority: 'payment', budgetMs, clock }, async () =>
    demandTimeToPay(clock),
  );
};

test('a payment is begun when there is time to write it, to ask the channel and to write down what it says', async () => {
  await expect(demandWithin(4_500)).resolves.toBeUndefined();
});

test('a payment with less time is refused with what it needs', async () => {
  await expect(demandWithin(4_499)).rejects.toMatchObject({
    code: Code.DEADLINE_EXCEEDED,
    reason: 'DEADLINE_TOO_SHORT',
    metadata: { needed_ms: '5000', remaining_ms: '4499' },
  });
});
