import { afterAll, beforeAll, describe } from 'vitest';
import type { ChannelWorld } from './channel-world.ts';
import { registerEndRules } from './contract/end-rules.ts';
import { registerNotificationRules } from './contract/notification-rules.ts';
import { registerPaymentCodeRules } from './contract/payment-code-rules.ts';
import { registerRefundRules } from './contract/refund-rules.ts';
import { registerScanRules } from './contract/scan-rules.ts';
import { registerServiceRules } from './contract/service-rules.ts';

/**
 * Registers the rules that every channel's adapter keeps, as tests. They know no channel: what differs among channels is
 * asked of the channel itself or of its world.
 */
export const contractSuite = (channelId: string, startWorld: () => Promise<ChannelWorld>): void => {
  describe(`channel ${channelId} keeps the contract of channels`, () => {
    let world: ChannelWorld | undefined;
    beforeAll(async () => {
      world = await startWorld();
    });
    afterAll(async () => {
      await world?.close();
    });
    const theWorld = (): ChannelWorld => {
      if (world === undefined) throw new Error('the world has not started');
      return world;
    };
    registerServiceRules(channelId, theWorld);
    registerPaymentCodeRules(theWorld);
    registerScanRules(theWorld);
    registerEndRules(theWorld);
    registerRefundRules(theWorld);
    registerNotificationRules(theWorld);
  });
};
