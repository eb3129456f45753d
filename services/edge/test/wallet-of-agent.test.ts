import { Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { expect, test } from 'vitest';
import { walletOfAgent } from '../src/one-code/wallet-of-agent.ts';

const ANDROID =
  'Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.0.0 Mobile Safari/537.36';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148';

test.each([
  [
    `${ANDROID} MMWEBID/1234 MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 Weixin NetType/WIFI Language/zh_CN`,
    Wallet.WECHAT,
  ],
  [`${IPHONE} MicroMessenger/8.0.50(0x18003230) NetType/4G Language/zh_CN`, Wallet.WECHAT],
  [
    `${ANDROID} Nebula AlipayDefined(nt:WIFI,ws:412|0|2.625) AliApp(AP/10.6.60.8000) AlipayClient/10.6.60.8000 Language/zh-Hans`,
    Wallet.ALIPAY,
  ],
  [
    `${IPHONE} Ariver/1.1.0 AliApp(AP/10.6.66.6000) Nebula WK RVKType(0) AlipayDefined(nt:4G) AlipayClient/10.6.66.6000`,
    Wallet.ALIPAY,
  ],
  [`${ANDROID} UnionPay/1.0 CloudPay`, Wallet.UNIONPAY],
  [`${IPHONE} UnionPay/1.0 ICBCLife`, Wallet.UNIONPAY],
  [ANDROID, undefined],
  [IPHONE, undefined],
  ['', undefined],
  ['NotMicroMessengerAtAll', undefined],
  // DingTalk and Taobao are AliApp of another kind.
  [`${ANDROID} AliApp(DingTalk/7.5.20)`, undefined],
])('%s', (agent, wallet) => {
  expect(walletOfAgent(agent)).toBe(wallet);
});
