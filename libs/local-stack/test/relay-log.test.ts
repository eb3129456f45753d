import { describe, expect, test } from 'vitest';
import { advancedTo, executedUpTo, includes, transactionsIn } from '../src/relay-log.ts';

const GTID = 162;
const QUERY = 2;
const XID = 16;
const ROWS = 23;
const FORMAT = 15;

/** An event as the server writes it: 19 bytes of header, then the body. */
const event = (type: number, body: Buffer = Buffer.alloc(12), serverId = 11): Buffer => {
  const header = Buffer.alloc(19);
  header.writeUInt8(type, 4);
  header.writeUInt32LE(serverId, 5);
  header.writeUInt32LE(19 + body.length, 9);
  return Buffer.concat([header, body]);
};

const gtidEvent = (domain: number, sequence: bigint): Buffer => {
  const body = Buffer.alloc(23);
  body.writeBigUInt64LE(sequence, 0);
  body.writeUInt32LE(domain, 8);
  return event(GTID, body);
};

const MAGIC = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);
const FIRST = [gtidEvent(1, 7n), event(ROWS), event(XID)];
const SCHEMA_CHANGE = [gtidEvent(1, 8n), event(QUERY)];
const file = (...events: readonly Buffer[]) => Buffer.concat([MAGIC, event(FORMAT), ...events]);
const sequencesIn = (bytes: Buffer, from = 4) =>
  transactionsIn('relay.000002', bytes, from).map(({ gtid }) => gtid.sequence);

describe('a relay log', () => {
  test('is read into its transactions with their places', () => {
    expect(transactionsIn('relay.000002', file(...FIRST, ...SCHEMA_CHANGE), 4)).toEqual([
      { gtid: { domain: 1, server: 11, sequence: 7n }, file: 'relay.000002', position: 35 },
      { gtid: { domain: 1, server: 11, sequence: 8n }, file: 'relay.000002', position: 35 + 42 + 31 + 31 },
    ]);
  });

  test('is read from the position up to which it was executed', () => {
    expect(sequencesIn(file(...FIRST, ...SCHEMA_CHANGE), 35 + 42 + 31 + 31)).toEqual([8n]);
  });

  test('leaves out a transaction whose end was not received', () => {
    expect(sequencesIn(file(...FIRST, gtidEvent(1, 8n), event(ROWS)))).toEqual([7n]);
    expect(sequencesIn(file(...FIRST, gtidEvent(1, 8n)))).toEqual([7n]);
  });

  test('leaves out what a crash has cut in the middle of an event', () => {
    const whole = file(...FIRST, ...SCHEMA_CHANGE);
    for (let missing = 1; missing <= event(QUERY).length + gtidEvent(1, 8n).length; missing++) {
      expect(sequencesIn(whole.subarray(0, whole.length - missing))).toEqual([7n]);
    }
  });

  test('that is empty or holds nonsense holds no transaction', () => {
    expect(sequencesIn(Buffer.alloc(0))).toEqual([]);
    expect(sequencesIn(Buffer.alloc(200))).toEqual([]);
    expect(sequencesIn(Buffer.alloc(200, 0xff))).toEqual([]);
  });
});

const POSITIONS: readonly (readonly [string, boolean])[] = [
  ['', false],
  ['1-11-6', false],
  ['1-11-7', true],
  ['1-12-8', true],
  ['2-21-9', false],
  ['2-21-3,1-11-7', true],
];
for (const [position, included] of POSITIONS) {
  test(`the position "${position}" ${included ? 'includes' : 'does not include'} transaction 1-11-7`, () => {
    expect(includes(position, { domain: 1, server: 11, sequence: 7n })).toBe(included);
  });
}

test('a position moves on in one domain and keeps the others', () => {
  const gtid = { domain: 1, server: 12, sequence: 8n };
  expect(advancedTo('1-11-7,2-21-3', gtid)).toBe('2-21-3,1-12-8');
  expect(advancedTo('11-1-1', gtid)).toBe('11-1-1,1-12-8');
  expect(advancedTo('', gtid)).toBe('1-12-8');
});

test('relay-log.info tells how far the log was executed; without one nothing is known', () => {
  const info = '5\n./relay.000002\n1165\nbinlog.000001\n869\n0\n';
  expect(executedUpTo(info)).toEqual({ file: 'relay.000002', position: 1_165 });
  expect(executedUpTo('')).toBeUndefined();
  expect(executedUpTo('5\n./relay.000002\n')).toBeUndefined();
});
