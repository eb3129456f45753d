import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fen, fen } from '../src/fen.ts';
import { createState, type State, type Table } from '../src/state.ts';

type Row = { readonly id: string; readonly amount: Fen; readonly note?: string | undefined };

let folder: string;
let file: string;
const toClose: State[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tillmesh-journal-'));
  file = join(folder, 'journal');
});
afterEach(async () => {
  for (const state of toClose.splice(0)) await state.close();
  rmSync(folder, { recursive: true });
});

const openState = async (): Promise<{ state: State; rows: Table<Row>; others: Table<Row> }> => {
  const state = createState();
  const rows = state.table<Row>('row', (row) => row.id);
  const others = state.table<Row>('other', (row) => row.id);
  await state.open(file);
  toClose.push(state);
  return { state, rows, others };
};
const row = (id: string, amount = 1, note?: string): Row => ({ id, amount: fen(amount), note });

test('what was durable is there after a new start, in its order and with its amounts', async () => {
  const { state, rows } = await openState();
  for (const each of [row('b', 2), row('a', 90_000_000_000), row('b', 3, '支付')]) rows.put(each);
  await state.durable();
  const { rows: again } = await openState();
  expect([...again.values()]).toEqual([row('b', 3, '支付'), row('a', 90_000_000_000)]);
});

test('a removed row stays removed', async () => {
  const { state, rows } = await openState();
  rows.put(row('a'));
  rows.remove('a');
  await state.durable();
  expect((await openState()).rows.size).toBe(0);
});

test('changes of one step are one line, so a kill leaves all of them or none', async () => {
  const { state, rows, others } = await openState();
  rows.put(row('a'));
  others.put(row('b'));
  await state.durable();
  rows.put(row('c'));
  await state.durable();
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[1] ?? '')).toHaveLength(2);
});

test('a last line that broke off is as if it had never been, and the journal goes on behind it', async () => {
  const { state, rows } = await openState();
  rows.put(row('a'));
  await state.durable();
  const wholeBytes = statSync(file).size;
  appendFileSync(file, '[["row","b",{"id":"b","amo');
  const { state: next, rows: again } = await openState();
  expect([...again.values()]).toEqual([row('a')]);
  expect(statSync(file).size).toBe(wholeBytes);
  again.put(row('c'));
  await next.durable();
  expect([...(await openState()).rows.values()]).toEqual([row('a'), row('c')]);
});

test('a line that is broken in the middle stops the start and is named', async () => {
  const { state, rows } = await openState();
  rows.put(row('a'));
  await state.durable();
  appendFileSync(file, 'not json\n');
  await expect(openState()).rejects.toThrow(/line 3 of .*journal cannot be replayed/);
});

test('a file that is something else is not taken for a journal', async () => {
  writeFileSync(file, 'dear diary\n');
  await expect(openState()).rejects.toThrow('is not a journal of the sandbox');
  expect(readFileSync(file, 'utf8')).toBe('dear diary\n');
});

test('a journal with a table that there is not any more stops the start', async () => {
  const { state, rows } = await openState();
  rows.put(row('a'));
  await state.durable();
  const other = createState();
  await expect(other.open(file)).rejects.toThrow('cannot be replayed');
});

test('many who wait at once are all safe when they are told so', async () => {
  const { state, rows } = await openState();
  const waiting = Array.from({ length: 200 }, async (_, index) => {
    rows.put(row(String(index)));
    await state.durable();
    return readFileSync(file, 'utf8').includes(`"row","${index}"`);
  });
  expect(await Promise.all(waiting)).not.toContain(false);
});

test('once the disk has refused a write, nobody is told that anything was written', async () => {
  const state = createState();
  const rows = state.table<Row>('row', (each) => each.id);
  await state.open(file);
  // A closed file refuses as a full disk does.
  await state.close();
  rows.put(row('a'));
  await expect(state.durable()).rejects.toThrow('the journal cannot be written');
  await expect(state.durable()).rejects.toThrow('the journal cannot be written');
});

test('a row cannot be put before the journal is open', () => {
  const rows = createState().table<Row>('row', (each) => each.id);
  expect(() => rows.put(row('a'))).toThrow('before it was opened');
});

test('rows are found by what they are indexed by, the last one counts', async () => {
  const state = createState();
  const rows = state.table<Row>('row', (each) => each.id);
  const byNote = rows.index((each) => each.note);
  await state.open(undefined);
  toClose.push(state);
  rows.put(row('a', 1, 'x'));
  rows.put(row('b', 1));
  rows.put(row('c', 1, 'x'));
  expect(byNote('x')?.id).toBe('c');
  expect(byNote('y')).toBeUndefined();
});
