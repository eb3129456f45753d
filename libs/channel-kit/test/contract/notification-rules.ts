import { NotificationRefusal } from '@tillmesh/proto/tillmesh/channel/v1/channel_service_pb.ts';
import { outcomeFromWire } from '@tillmesh/wire';
import { expect, test } from 'vitest';
import type { SentNotification } from '../channel-world.ts';
import { AMOUNT_FEN, paid, placed, type World } from './attempts.ts';

/** What the channel tells by itself. @param scan whether it has orders to scan; otherwise it tells of a payer who pays at once. */
export const registerNotificationRules = (world: World, scan: boolean): void => {
  const notified = async () => {
    if (!scan) {
      const { channelOrderNo } = await paid(world());
      return { channelOrderNo, notification: await world().notificationOf(channelOrderNo) };
    }
    const { channelOrderNo, qrCode } = await placed(world());
    expect(await world().scanAndPay(qrCode)).toBe(true);
    return { channelOrderNo, notification: await world().notificationOf(channelOrderNo) };
  };
  const parse = ({ headers, body }: SentNotification, client = world().client, accountId = world().accountId) =>
    client.parseNotification({ accountId, headers: [...headers], body });

  test('a payment that the channel tells of is news, with its amount and the bytes that acknowledge it', async () => {
    const { channelOrderNo, notification } = await notified();
    const parsed = await parse(notification);
    expect(parsed.refusal).toBe(NotificationRefusal.UNSPECIFIED);
    expect(parsed.payments).toHaveLength(1);
    expect(parsed.payments[0]?.channelOrderNo).toBe(channelOrderNo);
    expect(outcomeFromWire(parsed.payments[0]?.result)).toMatchObject({
      kind: 'succeeded',
      paid: { minorUnits: BigInt(AMOUNT_FEN) },
    });
    expect(parsed.dedupeKey).not.toBe('');
    expect(parsed.answerOk?.status).toBe(200);
    expect(parsed.answerRetry).not.toEqual(parsed.answerOk);
    // The same once more is the same news.
    expect((await parse(notification)).dedupeKey).toBe(parsed.dedupeKey);
  });

  test('two payments are two news', async () => {
    const keys = await Promise.all(
      [notified(), notified()].map(async (sent) => (await parse((await sent).notification)).dedupeKey),
    );
    expect(new Set(keys).size).toBe(2);
  });

  test('what is forged, unsigned, of another time or of another account is refused, and holds no news', async () => {
    const { notification } = await notified();
    const refused = [
      [await parse(world().forged(notification)), NotificationRefusal.BAD_SIGNATURE],
      [await parse(world().unsigned(notification)), NotificationRefusal.NO_SIGNATURE],
      [await parse(notification, world().ahead), NotificationRefusal.STALE],
    ] as const;
    for (const [parsed, refusal] of refused) {
      expect(parsed).toMatchObject({ refusal, payments: [], refunds: [] });
      expect(parsed.answerOk).toBeUndefined();
      expect(parsed.answerRetry?.status).toBeGreaterThanOrEqual(400);
    }
    const foreign = await parse(notification, world().client, world().otherAccountId);
    expect(foreign.refusal).not.toBe(NotificationRefusal.UNSPECIFIED);
    expect(foreign.payments).toEqual([]);
  });

  test('bytes that are no notification are refused', async () => {
    for (const body of ['', '{}', 'a=1&b=2', '\u0000', '{"resource":{}}']) {
      const parsed = await parse({ headers: [], body: Buffer.from(body) });
      expect(parsed.refusal).not.toBe(NotificationRefusal.UNSPECIFIED);
      expect(parsed.payments).toEqual([]);
    }
  });
};
