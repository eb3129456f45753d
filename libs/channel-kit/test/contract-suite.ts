import { afterAll, beforeAll, describe } from 'vitest';
import type { AccountSettings, Channel } from '../src/index.ts';
import type { ChannelWorld } from './channel-world.ts';
import { registerBillRules } from './contract/bill-rules.ts';
import { registerDetailsRules } from './contract/details-rules.ts';
import { registerEndRules } from './contract/end-rules.ts';
import { registerNotificationRules } from './contract/notification-rules.ts';
import { registerPaymentCodeRules } from './contract/payment-code-rules.ts';
import { registerRefundRules } from './contract/refund-rules.ts';
import { registerScanRules } from './contract/scan-rules.ts';
import { registerServiceRules } from './contract/service-rules.ts';

/**
 * Registers the rules that every channel's adapter keeps, as tests. They know no channel: what differs among channels is
 * asked of the channel itself or of its world. Rules about what a channel does not have are left out: it says so itself.
 *
 * @param mode what is special about the accounts of this world, such as ` for a service provider`; empty where there is one way alone.
 */
export const contractSuite = <Account extends AccountSettings>(
  channel: Channel<Account>,
  startWorld: () => Promise<ChannelWorld>,
  mode = '',
): void => {
  const can = {
    scan: channel.kinds.includes('merchant_qr'),
    end: channel.closePayment !== undefined || channel.reversePayment !== undefined,
    refund: channel.createRefund !== undefined,
    notify: channel.parseNotification !== undefined,
    bills: channel.bills !== undefined,
  };
  describe(`channel ${channel.id}${mode} keeps the contract of channels`, () => {
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
    registerServiceRules(channel, theWorld);
    registerPaymentCodeRules(theWorld);
    registerDetailsRules(theWorld, channel.queryTells ?? [], can);
    if (can.scan) registerScanRules(theWorld);
    if (can.end) registerEndRules(theWorld, can.scan);
    if (can.refund) registerRefundRules(theWorld);
    if (can.bills) registerBillRules(theWorld);
    if (can.notify) registerNotificationRules(theWorld, can.scan);
  });
};
