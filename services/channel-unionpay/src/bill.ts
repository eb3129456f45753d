import { Readable } from 'node:stream';
import { createInflate } from 'node:zlib';
import {
  type BillLimits,
  type BillReport,
  type BillRequest,
  type BillSpool,
  type BodySink,
  BrokenBill,
  type ChannelBills,
  factsOf,
  toBeijingDigits,
  withZip,
} from '@tillmesh/channel-kit';
import { parseAnswer } from './acp-form.ts';
import { verifyTold } from './certificate.ts';
import type { UnionpayCall } from './client.ts';
import type { UnionpayAccount } from './config.ts';
import { sign } from './signature.ts';
import { readTradeBill } from './trade-bill.ts';

const HOUR_MS = 3_600_000;
/** The file comes inside of a signed answer, so the answer has to be held: some 400,000 transactions. */
const ANSWER_BYTES_MAX = 48 * 1_048_576;
const GOOD = '00';
/** "There is no such file" in UnionPay's demos. */
const NO_FILE = '98';

/** Holds what comes, within a limit. */
const memorySink = (): { readonly sink: BodySink; readonly bytes: () => Buffer } => {
  const parts: Buffer[] = [];
  const write = (part: Buffer): boolean => parts.push(part) > 0;
  const nothing = () => undefined;
  return {
    sink: { bytesMax: ANSWER_BYTES_MAX, write, onceDrained: nothing, onceFailed: nothing },
    bytes: () => Buffer.concat(parts),
  };
};

/** Base64 of a zlib stream of a zip file. */
const unpackInto = async (spool: BillSpool, content: string): Promise<void> => {
  const packed = Buffer.from(content, 'base64');
  if (packed.toString('base64') !== content.replaceAll(/\s/g, ''))
    throw new BrokenBill('bad_archive', 'the file is not base64');
  const inflated = Readable.from([packed]).pipe(createInflate());
  try {
    for await (const part of inflated) await spool.append(part as Buffer);
  } catch (error) {
    if (error instanceof BrokenBill) throw error;
    throw new BrokenBill('bad_archive', 'the file cannot be inflated');
  } finally {
    inflated.destroy();
  }
};

const fetchBill = async (
  { day }: BillRequest,
  spool: BillSpool,
  _limits: BillLimits,
  call: UnionpayCall,
): Promise<BillReport> => {
  const { account, http, clock, signal } = call;
  const fields = {
    version: '5.1.0',
    encoding: 'UTF-8',
    certId: account.certId,
    signMethod: '01',
    txnType: '76',
    txnSubType: '01',
    bizType: '000000',
    accessType: '0',
    merId: account.merId,
    txnTime: toBeijingDigits(clock.nowMs()),
    settleDate: day.slice(5).replace('-', ''),
    fileType: '00',
  };
  const { sink, bytes } = memorySink();
  const { pathname } = new URL(account.fileUrl);
  const exchange = await http.send({
    baseUrl: account.fileUrl,
    method: 'POST',
    path: pathname,
    pathTemplate: `${pathname}#7601`,
    headers: {
      'content-type': 'application/x-www-form-urlencoded;charset=UTF-8',
      accept: 'text/html',
      'accept-encoding': 'identity',
      'user-agent': 'tillmesh-channel-unionpay/1',
    },
    body: Buffer.from(new URLSearchParams({ ...fields, signature: sign(fields, account.privateKeyFile) }).toString()),
    sink,
    signal,
  });
  if (exchange.kind !== 'answered') {
    if (exchange.cause === 'answer_too_large') {
      throw new BrokenBill('too_large', `the answer has more than ${ANSWER_BYTES_MAX} bytes`);
    }
    return { kind: 'unknown', facts: factsOf(exchange, undefined), channelCode: '', channelMessage: exchange.cause };
  }
  // The form is ASCII but for words that nobody reads.
  const answer = exchange.status === 200 ? parseAnswer(bytes().toString('utf8'), ANSWER_BYTES_MAX) : undefined;
  const signature = answer === undefined ? 'absent' : verifyTold(answer, account, clock.nowMs());
  const facts = factsOf(exchange, signature);
  const said = (kind: Exclude<BillReport['kind'], 'fetched'>, channelMessage: string): BillReport => ({
    kind,
    facts,
    channelCode: answer?.['respCode'] ?? '',
    channelMessage,
  });
  if (answer === undefined || signature !== 'verified')
    return said('unknown', 'the answer is not signed as it should be');
  if (answer['merId'] !== account.merId) return said('unknown', 'the answer names another merchant');
  const { respCode = '', respMsg = '', fileContent = '' } = answer;
  if (respCode === NO_FILE) return said('no_bill', respMsg);
  if (respCode !== GOOD || fileContent === '') return said('unknown', respMsg);
  await unpackInto(spool, fileContent);
  // The signature is over the file.
  return { kind: 'fetched', facts, digestChecked: true, channelCode: '', channelMessage: '' };
};

/** UnionPay settles from 23:00 to 23:00 in Beijing, and has the file in the morning. Both to be confirmed by the contract. */
export const bills: ChannelBills<UnionpayAccount> = {
  kinds: ['trade'],
  dayAheadOfUtcMs: 9 * HOUR_MS,
  readyAfterMs: 10 * HOUR_MS,
  fetch: fetchBill,
  read: ({ day }, spool, limits, account) =>
    withZip(spool.path, limits, (entries) => {
      const files = entries.filter(({ name }) => /(?:^|\/)INN[0-9]{8}ZM_/.test(name));
      const [file] = files;
      if (file === undefined || files.length > 1) {
        throw new BrokenBill('bad_archive', `${files.length} files of transactions are in the archive`);
      }
      return readTradeBill(file.read(), limits, account.merId, day);
    }),
};
