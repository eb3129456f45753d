import { readFileSync } from 'node:fs';
import {
  contractSuite,
  type SandboxKeys,
  type SentNotification,
  startSandboxWorld,
} from '@tillmesh/channel-kit/contract';
import { PaymentKind } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { stripe } from '../src/channel.ts';

const accountOf = (keys: SandboxKeys, index: 0 | 1, baseUrl: string): object => {
  const account = keys.stripe.accounts[index];
  return {
    accountId: account?.accountId,
    baseUrls: [baseUrl.replace('http:', 'https:')],
    secretKeyFile: account?.secretKeyFile,
    webhookSecretFiles: [account?.webhookSecretFile],
  };
};

type Event = {
  readonly type: string;
  readonly data: { readonly object: { readonly metadata: { order_no?: string } } };
};

const withBody = ({ headers, body }: SentNotification, change: (text: string) => string): SentNotification => ({
  headers,
  body: Buffer.from(change(Buffer.from(body).toString('utf8'))),
});

contractSuite(stripe, () =>
  startSandboxWorld({
    channel: stripe,
    wallet: 'stripe',
    accountsOf: (keys, baseUrl) => [accountOf(keys, 0, baseUrl), accountOf(keys, 1, baseUrl)],
    settingsOf: ({ stripe: { certificateFile } }) => ({ http: { trustedRoots: [certificateFile] } }),
    // There is no payment code at Stripe: who pays at once shows a card.
    instantKind: PaymentKind.CARD,
    signsAnswers: false,
    declineCode: 'insufficient_funds',
    // There is no file: what can be wrong is a transaction.
    billFaults: [['truncated', 'bad_line']],
    secretsOf: ({ stripe: { accounts } }) =>
      accounts.flatMap(({ secretKeyFile, webhookSecretFile }) =>
        [secretKeyFile, webhookSecretFile].map((file) => readFileSync(file, 'utf8').trim()),
      ),
    orderNoOf: ({ body }) => {
      const event = JSON.parse(Buffer.from(body).toString('utf8')) as Event;
      return event.type === 'payment_intent.succeeded' ? event.data.object.metadata.order_no : undefined;
    },
    forged: (sent) => withBody(sent, (text) => text.replace('"amount_received": 1234', '"amount_received": 1235')),
    unsigned: ({ headers, body }) => ({ headers: headers.filter(({ name }) => name !== 'stripe-signature'), body }),
  }),
);
