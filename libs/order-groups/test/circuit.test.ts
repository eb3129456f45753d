import { ManualClock } from '@tillmesh/clock';
import { expect, test } from 'vitest';
import { GroupCircuit } from '../src/circuit.ts';

const circuitOf = (failuresToOpen = 3, windowMs = 60_000) => {
  const clock = new ManualClock();
  return { clock, circuit: new GroupCircuit({ failuresToOpen, windowMs }, clock) };
};

test('opens with the failure that makes enough of them, and says so once', () => {
  const { circuit } = circuitOf();
  expect([1, 2, 3, 4].map(() => circuit.recordFailure('ECONNREFUSED'))).toEqual([false, false, true, false]);
  expect(circuit).toMatchObject({ state: 'open', lastFailure: 'ECONNREFUSED' });
});

test('forgets failures when their minute is over', async () => {
  const { clock, circuit } = circuitOf();
  circuit.recordFailure('A');
  await clock.advance(30_000);
  circuit.recordFailure('B');
  await clock.advance(30_000);
  expect(circuit.recentFailures()).toBe(1);
  expect(circuit.recordFailure('C')).toBe(false);
  await clock.advance(29_999);
  expect(circuit.recordFailure('D')).toBe(true);
});

test('stays open however long nothing fails: only a probe that was written closes it', async () => {
  const { clock, circuit } = circuitOf();
  for (let n = 0; n < 3; n += 1) circuit.recordFailure('A');
  await clock.advance(3_600_000);
  expect(circuit.state).toBe('open');
  circuit.beginProbe();
  expect(circuit.state).toBe('probing');
  circuit.probeFailed('ER_OPTION_PREVENTS_STATEMENT');
  expect(circuit).toMatchObject({ state: 'open', lastFailure: 'ER_OPTION_PREVENTS_STATEMENT' });
  circuit.beginProbe();
  circuit.probeSucceeded();
  expect(circuit.state).toBe('closed');
});

test('counts from zero after a probe that was written', () => {
  const { circuit } = circuitOf();
  for (let n = 0; n < 3; n += 1) circuit.recordFailure('A');
  circuit.beginProbe();
  circuit.probeSucceeded();
  expect(circuit.recentFailures()).toBe(0);
  expect(circuit.recordFailure('B')).toBe(false);
});

test('a failure while a probe is out does not open it a second time', () => {
  const { circuit } = circuitOf();
  for (let n = 0; n < 3; n += 1) circuit.recordFailure('A');
  circuit.beginProbe();
  expect(circuit.recordFailure('B')).toBe(false);
  expect(circuit.state).toBe('probing');
});

test('a closed one is not probed', () => {
  const { circuit } = circuitOf();
  circuit.beginProbe();
  expect(circuit.state).toBe('closed');
});

test('a new primary keeps orders away until it has proved that it can be written', () => {
  const { circuit } = circuitOf();
  circuit.requireProbe('a new primary');
  expect(circuit).toMatchObject({ state: 'open', lastFailure: 'a new primary' });
});

test('holds no more failures than decide, however many there are', () => {
  const { circuit } = circuitOf(3);
  for (let n = 0; n < 10_000; n += 1) circuit.recordFailure('A');
  expect(circuit.recentFailures()).toBeLessThanOrEqual(12);
});
