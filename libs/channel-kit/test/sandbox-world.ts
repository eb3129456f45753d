import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClock } from '@tillmesh/clock';
import type { AccountSettings } from '../src/index.ts';
import type { ChannelWorld, Fault, FaultyOperation, Payer, SentNotification } from './channel-world.ts';
import { type SandboxKeys, type SandboxProcess, startSandboxProcess } from './sandbox-process.ts';
import { type Simulator, startWorld, type WorldOptions } from './simulated-world.ts';

const NOTIFICATION_MS_MAX = 15_000;

/** What a channel has to say to be put beside the sandbox. */
export type SandboxWorldOptions<Account extends AccountSettings> = Pick<
  WorldOptions<Account>,
  'channel' | 'instantKind' | 'signsAnswers' | 'declineCode' | 'canWithdraw' | 'billFaults'
> & {
  readonly wallet: 'wechat' | 'alipay' | 'stripe' | 'unionpay';
  /** The settings of two accounts, as they stand in a configuration file. */
  readonly accountsOf: (keys: SandboxKeys, baseUrl: string) => readonly [object, object];
  /** Further settings of the channel's process. */
  readonly settingsOf?: (keys: SandboxKeys) => object;
  /** The order that a notification speaks of, where the channel has one address for all of them. */
  readonly orderNoOf?: (notification: SentNotification) => string | undefined;
  /** What the sandbox is told before the channel starts. */
  readonly prepare?: (control: SandboxProcess['control']) => Promise<unknown>;
  readonly secretsOf: (keys: SandboxKeys) => readonly string[];
  readonly forged: ChannelWorld['forged'];
  readonly unsigned: ChannelWorld['unsigned'];
};

type Act = Readonly<Record<string, unknown>>;

const ACT_OF: Readonly<Record<Fault, Act>> = {
  lost_before_commit: { do: 'answer_lost_before_commit', how: 'cut' },
  lost_after_commit: { do: 'answer_lost_after_commit', how: 'cut' },
  silent_after_commit: { do: 'answer_lost_after_commit', how: 'hang' },
  error_after_commit: { do: 'error_after_commit', code: 'NOVEL_CODE_OF_TOMORROW' },
  novel_state: { do: 'novel_state' },
  extra_fields: { do: 'extra_fields' },
  bad_signature: { do: 'bad_signature' },
  unsigned: { do: 'unsigned' },
  web_page: { do: 'garbage', form: 'html', commit: true },
  truncated: { do: 'garbage', form: 'truncated', commit: true },
  http_500: { do: 'http_error', status: 500, commit: true },
};

const OPERATIONS_OF: Readonly<Record<FaultyOperation, readonly string[]>> = {
  pay: ['pay'],
  query: ['query'],
  end: ['close', 'reverse'],
  refund: ['refund'],
  refund_query: ['refund_query'],
};

const discountOf = (merchantDiscountFen: number | undefined): Act[] =>
  merchantDiscountFen === undefined ? [] : [{ do: 'discount', fen: merchantDiscountFen, by: 'merchant' }];

const scriptOf = (payer: Payer): Act[] => {
  switch (payer.kind) {
    case 'pays':
      return discountOf(payer.merchantDiscountFen);
    case 'types_password':
      return [{ do: 'payer_types_password', seconds: payer.seconds, then: 'pays' }];
    case 'declined':
      return [{ do: 'decline', code: payer.code }];
  }
};

/** Receives notifications and keeps the first one of each path, or of each order where the path does not say it. */
const startInbox = async (orderNoOf: (notification: SentNotification) => string | undefined = () => undefined) => {
  const received = new Map<string, SentNotification>();
  const read = async (request: IncomingMessage): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const headers = Object.entries(request.headers).map(([name, value]) => ({ name, value: String(value) }));
    const body = Buffer.concat(parts);
    const orderNo = orderNoOf({ headers, body });
    const path = orderNo === undefined ? (request.url ?? '') : `/notify/${orderNo}`;
    if (!received.has(path)) received.set(path, { headers, body });
  };
  const server = createServer((request, response) => {
    read(request).then(
      () => response.writeHead(200, { 'content-type': 'text/plain' }).end('success'),
      () => response.writeHead(500).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    received,
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

/** Starts the sandbox and a channel beside it. */
export const startSandboxWorld = async <Account extends AccountSettings>(
  options: SandboxWorldOptions<Account>,
): Promise<ChannelWorld> => {
  const { wallet, accountsOf } = options;
  const inbox = await startInbox(options.orderNoOf);
  const sandbox = await startSandboxProcess(`${inbox.url}/webhook`);
  const { control, keys } = sandbox;
  await options.prepare?.(control);

  const succeedingPost = async <Answer>(path: string, body: object): Promise<Answer> => {
    const { status, answer } = await control<Answer>('POST', path, body);
    if (status >= 300) throw new Error(`the sandbox refused ${path}: ${JSON.stringify(answer)}`);
    return answer;
  };

  const simulator: Simulator = {
    baseUrl: sandbox.urls[wallet],
    notifyUrl: `${inbox.url}/notify`,
    paymentCode: async (payer) => {
      const { paymentCode } = await succeedingPost<{ paymentCode: string }>('/payment-codes', {
        wallet,
        script: scriptOf(payer),
      });
      return paymentCode;
    },
    disturb: async (channelOrderNo, operation, fault) => {
      await succeedingPost('/scripts', {
        match: { outTradeNo: channelOrderNo },
        operations: OPERATIONS_OF[operation],
        uses: 1,
        script: [ACT_OF[fault]],
      });
    },
    scanAndPay: async (qrCode, merchantDiscountFen) => {
      const { status } = await control('POST', '/scan', { code: qrCode, script: discountOf(merchantDiscountFen) });
      return status < 300;
    },
    breakBill: async (day, fault) => {
      const [account] = accountsOf(keys, sandbox.urls[wallet]);
      const accountId = 'accountId' in account ? account.accountId : '';
      const discrepancies = [{ do: fault }];
      await succeedingPost('/bills/plants', { channel: wallet, account: accountId, day, discrepancies, uses: 1 });
    },
    balanceOf: async (channelOrderNo) => {
      type Orders = { orders: { charges: number; chargedFen: number; returnedFen: number }[] };
      const { answer } = await control<Orders>('GET', `/ledger/orders?outTradeNo=${channelOrderNo}`);
      const [order] = answer.orders;
      return {
        charges: order?.charges ?? 0,
        chargedFen: order?.chargedFen ?? 0,
        returnedFen: order?.returnedFen ?? 0,
      };
    },
    notificationOf: async (channelOrderNo) => {
      const path = `/notify/${channelOrderNo}`;
      for (let waitedMs = 0; waitedMs < NOTIFICATION_MS_MAX; waitedMs += 50) {
        const sent = inbox.received.get(path);
        if (sent !== undefined) return sent;
        await systemClock.sleep(50);
      }
      throw new Error(`no notification of ${channelOrderNo} came`);
    },
    forged: options.forged,
    unsigned: options.unsigned,
    close: async () => {
      inbox.close();
      await sandbox.close();
    },
  };
  return startWorld(simulator, {
    ...options,
    // Stripe has none on a payment: they are a matter of its invoices.
    knowsDiscounts: wallet !== 'stripe',
    accountsOf: (baseUrl) => accountsOf(keys, baseUrl),
    settings: options.settingsOf?.(keys) ?? {},
    secrets: options.secretsOf(keys),
  });
};
