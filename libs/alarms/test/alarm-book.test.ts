import { expect, test } from 'vitest';
import { ALARMS_MAX, type AlarmNews, createAlarmBook } from '../src/index.ts';

const news = (changes: Partial<AlarmNews> = {}): AlarmNews => ({
  name: 'payment_unfinished',
  severity: 'urgent',
  labels: { order_no: '1' },
  summary: 'first',
  ...changes,
});

test('the same alarm raised again stays one, with its first time and its latest words', () => {
  const book = createAlarmBook(1_000);
  expect(book.raise(news(), 10)).toBe(true);
  expect(book.raise(news({ summary: 'second' }), 20)).toBe(false);
  expect(book.standing()).toMatchObject([{ summary: 'second', raisedAtMs: 10, lastSeenAtMs: 20, times: 2 }]);
});

test('name and labels make an alarm, whatever the order of the labels', () => {
  const book = createAlarmBook(1_000);
  book.raise(news({ labels: { a: '1', b: '2' } }), 0);
  expect(book.raise(news({ labels: { b: '2', a: '1' } }), 0)).toBe(false);
  expect(book.raise(news({ labels: { a: '2', b: '1' } }), 0)).toBe(true);
  expect(book.raise(news({ name: 'other', labels: { a: '1', b: '2' } }), 0)).toBe(true);
  expect(book.standing()).toHaveLength(3);
});

test('what is over is told of once, and may come again', () => {
  const book = createAlarmBook(1_000);
  book.raise(news(), 0);
  expect(book.end(news(), 5)).toBe(true);
  expect(book.end(news(), 6)).toBe(false);
  expect(book.takeEnded()).toMatchObject([{ endedAtMs: 5 }]);
  expect(book.takeEnded()).toEqual([]);
  expect(book.raise(news(), 7)).toBe(true);
});

test('what nobody raises any more is over after its time', () => {
  const book = createAlarmBook(1_000);
  book.raise(news(), 0);
  book.raise(news({ labels: {} }), 600);
  book.endSilent(999);
  expect(book.standing()).toHaveLength(2);
  book.endSilent(1_000);
  expect(book.standing()).toMatchObject([{ labels: {} }]);
});

test('the gravest come first, and the oldest first among equals', () => {
  const book = createAlarmBook(1_000);
  book.raise(news({ severity: 'watch', labels: { n: '1' } }), 1);
  book.raise(news({ labels: { n: '2' } }), 3);
  book.raise(news({ labels: { n: '3' } }), 2);
  expect(book.standing().map(({ labels }) => labels['n'])).toEqual(['3', '2', '1']);
});

test('a flood is bounded and counted, and what stands can still be raised again and ended', () => {
  const book = createAlarmBook(1_000);
  for (let n = 0; n < ALARMS_MAX + 5; n += 1) book.raise(news({ labels: { n: String(n) } }), n);
  expect(book.standing()).toHaveLength(ALARMS_MAX);
  expect(book.dropped()).toBe(5);
  expect(book.raise(news({ labels: { n: '0' } }), 9)).toBe(false);
  expect(book.dropped()).toBe(5);
  expect(book.end(news({ labels: { n: '0' } }), 9)).toBe(true);
  expect(book.raise(news({ labels: { n: 'new' } }), 9)).toBe(true);
});
