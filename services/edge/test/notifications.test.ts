import { AttemptState } from '@tillmesh/proto/tillmesh/payment/v1/attempt_pb.ts';
import { LearnedBy } from '@tillmesh/proto/tillmesh/payment/v1/outcome_pb.ts';
import { RefundState } from '@tillmesh/proto/tillmesh/payment/v1/refund_pb.ts';
import { rpcErrors } from '@tillmesh/rpc';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countOf, type EdgeUnderTest, startEdge } from './edge-under-test.ts';
import { orderNoOf } from './notified-orders.ts';

let edge: EdgeUnderTest;
beforeEach(async () => {
  edge = await startEdge();
});
afterEach(() => edge.close());

const away = rpcErrors.dependencyUnavailable('the group is away', { retryAfterMs: 10 });

describe('a verified notification', () => {
  test("moves the payment, as learned by notification, and is acknowledged in the channel's own words", async () => {
    const { orderNo, channelOrderNo } = edge.store.addPayment();
    const reply = await edge.notify({ paid: [channelOrderNo] });
    expect(reply).toEqual({ status: 200, contentType: 'application/json', text: edge.wechat.answers.ok });
    expect(edge.store.attemptState(orderNo)).toBe(AttemptState.SUCCEEDED);
    expect(edge.store.learnedBy).toEqual([LearnedBy.NOTIFICATION]);
  });

  test('is not acknowledged before the order store has applied it', async () => {
    const { orderNo, channelOrderNo } = edge.store.addPayment();
    const applied = Promise.withResolvers<void>();
    edge.store.happen('applyAttemptResult', { kind: 'waits', until: applied.promise });
    const reply = edge.notify({ paid: [channelOrderNo] }).then(({ status }) => {
      edge.store.journal.push(`answered ${status}`);
    });
    await expect.poll(() => edge.store.journal).toEqual(['getOrder', 'applyAttemptResult']);
    applied.resolve();
    await reply;
    expect(edge.store.journal).toEqual(['getOrder', 'applyAttemptResult', `moved ${orderNo}`, 'answered 200']);
  });

  test('gives money back in the books as well', async () => {
    const { orderNo } = edge.store.addPayment();
    const refundNo = edge.store.addRefund(orderNo);
    expect((await edge.notify({ refunded: [refundNo] })).status).toBe(200);
    expect(edge.store.refundState(refundNo)).toBe(RefundState.SUCCEEDED);
    expect(edge.store.learnedBy).toEqual([LearnedBy.NOTIFICATION]);
  });

  test('that is sent twice is acknowledged twice and moves the payment once', async () => {
    const { orderNo, channelOrderNo } = edge.store.addPayment();
    const replies = [await edge.notify({ paid: [channelOrderNo] }), await edge.notify({ paid: [channelOrderNo] })];
    expect(replies.map(({ status }) => status)).toEqual([200, 200]);
    expect(edge.store.journal.filter((entry) => entry === `moved ${orderNo}`)).toHaveLength(1);
  });

  test('reaches the adapter to the byte, with every header by its name in lower case', async () => {
    const { channelOrderNo } = edge.store.addPayment();
    const { body, headers } = edge.wechat.notification({ paid: [channelOrderNo] });
    await edge.send('/notify/wechat/wechat-a', { body, headers: { ...headers, 'Wechatpay-Nonce': ' n-1 ' } });
    const [given] = edge.wechat.parsed;
    expect(Buffer.from(given?.body ?? []).toString()).toBe(body);
    expect(given?.accountId).toBe('wechat-a');
    expect(given?.headers.find(({ name }) => name === 'wechatpay-nonce')?.value).toBe('n-1');
  });

  test('without news of ours is acknowledged: the channel need not send it again', async () => {
    expect((await edge.notify({})).status).toBe(200);
    expect(edge.store.journal).toEqual([]);
  });
});

describe('a notification that cannot be applied', () => {
  const refusing = { kind: 'refused', error: rpcErrors.internal('a bug of the order store') } as const;
  for (const method of ['getOrder', 'applyAttemptResult'] as const) {
    test(`because the order store refuses ${method} gets the channel's failure answer, and the next one is applied`, async () => {
      const { orderNo, channelOrderNo } = edge.store.addPayment();
      edge.store.happen(method, refusing);
      const reply = await edge.notify({ paid: [channelOrderNo] });
      expect(reply).toEqual({ status: 500, contentType: 'application/json', text: edge.wechat.answers.retry });
      expect(edge.store.attemptState(orderNo)).toBe(AttemptState.PENDING_PAYER);
      expect((await edge.notify({ paid: [channelOrderNo] })).status).toBe(200);
      expect(edge.store.attemptState(orderNo)).toBe(AttemptState.SUCCEEDED);
    });
  }

  test('at once, because a group is away for a moment, is tried again before the channel is answered', async () => {
    const { orderNo, channelOrderNo } = edge.store.addPayment();
    edge.store.happen('getOrder', { kind: 'refused', error: away });
    edge.store.happen('applyAttemptResult', { kind: 'refused', error: away }, { kind: 'answer_lost', error: away });
    expect((await edge.notify({ paid: [channelOrderNo] })).status).toBe(200);
    expect(edge.store.journal.filter((entry) => entry === `moved ${orderNo}`)).toHaveLength(1);
  });

  test('because the order store is gone gets the failure answer before the channel gives up at 5 s', async () => {
    const { channelOrderNo } = edge.store.addPayment();
    await edge.kill('order-store');
    const beganMs = performance.now();
    const reply = await edge.notify({ paid: [channelOrderNo] });
    expect(reply).toMatchObject({ status: 500, text: edge.wechat.answers.retry });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
  });

  test('because the order store hangs gets the failure answer before the channel gives up at 5 s', async () => {
    const { channelOrderNo } = edge.store.addPayment();
    const never = { kind: 'waits', until: new Promise<void>(() => undefined) } as const;
    edge.store.happen('getOrder', never, never, never, never, never, never);
    const beganMs = performance.now();
    expect(await edge.notify({ paid: [channelOrderNo] })).toMatchObject({ status: 500 });
    expect(performance.now() - beganMs).toBeLessThan(5_000);
  });

  test('in its second half is sent again and counts once: what was applied stays applied', async () => {
    const [first, second] = [edge.store.addPayment(), edge.store.addPayment()];
    const paid = [first.channelOrderNo, second.channelOrderNo];
    edge.store.happen('applyAttemptResult', { kind: 'waits', until: Promise.resolve() }, refusing);
    expect((await edge.notify({ paid })).status).toBe(500);
    expect((await edge.notify({ paid })).status).toBe(200);
    for (const { orderNo } of [first, second]) {
      expect(edge.store.journal.filter((entry) => entry === `moved ${orderNo}`)).toHaveLength(1);
    }
  });

  test('because a replica that lags does not show the attempt yet is no foreign one: it is sent again', async () => {
    const { channelOrderNo } = edge.store.addPayment();
    const labels = { channel: 'wechat', account: 'wechat-a', end: 'foreign_order' };
    const before = await countOf('tillmesh_notifications_total', labels);
    edge.store.lag(true);
    expect((await edge.notify({ paid: [channelOrderNo] })).status).toBe(500);
    expect(await countOf('tillmesh_notifications_total', labels)).toBe(before);
    edge.store.lag(false);
    expect((await edge.notify({ paid: [channelOrderNo] })).status).toBe(200);
  });
});

describe('an authentic notification about something that is not ours', () => {
  const foreign = async (news: Parameters<EdgeUnderTest['notify']>[0], path?: string) => {
    const reply = await edge.notify(news, path);
    expect(reply).toMatchObject({ status: 500, text: edge.wechat.answers.retry });
    expect(edge.store.learnedBy).toEqual([]);
    expect(edge.logLines.filter((line) => line.startsWith('error') && line.includes('foreign: true'))).toHaveLength(1);
  };

  test('an order that nobody knows changes nothing, is kept by the channel and is told to people', () =>
    foreign({ paid: [`${orderNoOf(77)}1`] }));
  test('a number with a wrong check digit asks nobody', async () => {
    await foreign({ paid: ['12345678901234567890123451'] });
    expect(edge.store.journal).toEqual([]);
  });
  test('an order of another account of the same channel changes nothing', async () => {
    await foreign({ paid: [edge.store.addPayment({ accountId: 'wechat-b' }).channelOrderNo] });
  });
  test('an order of another channel changes nothing, even where the accounts have the same name', async () => {
    await foreign({ paid: [edge.store.addPayment({ channelId: 'alipay' }).channelOrderNo] });
  });
  test('an attempt that the payment does not have changes nothing', async () => {
    await foreign({ paid: [`${edge.store.addPayment().orderNo}2`] });
  });
  test('a refund that nobody knows changes nothing', () => foreign({ refunded: [orderNoOf(78)] }));
  test('a refund number with a wrong check digit asks nobody', async () => {
    await foreign({ refunded: ['1234567890123456789012345'] });
    expect(edge.store.journal).toEqual([]);
  });
  test('a refund of money that another account took changes nothing', async () => {
    const { orderNo } = edge.store.addPayment({ accountId: 'wechat-b' });
    await foreign({ refunded: [edge.store.addRefund(orderNo)] });
  });
});

for (const limit of ['a payment', 'a refund'] as const) {
  test(`an adapter that tells of ${limit} without saying what became of it is not believed`, async () => {
    const { orderNo, channelOrderNo } = edge.store.addPayment();
    const refundNo = edge.store.addRefund(orderNo);
    edge.wechat.answerWith(async () =>
      limit === 'a payment' ? { payments: [{ channelOrderNo }] } : { refunds: [{ refundNo }] },
    );
    expect((await edge.notify({})).status).toBe(503);
    expect(edge.store.learnedBy).toEqual([]);
  });
}
