import { LISTENERS } from '@tillmesh/local-mesh';
import { ErrorReason } from '@tillmesh/proto/tillmesh/error/v1/reason_pb.ts';
import { expect, test } from 'vitest';
import { GRPCURL } from './find-grpcurl.ts';
import { blocks, README } from './readme-blocks.ts';

test('every block has a title of its own, by which its test knows it', () => {
  const titles = blocks.map(({ title }) => title);
  expect(titles.filter((title) => title.startsWith('without a title'))).toEqual([]);
  expect(new Set(titles).size).toBe(titles.length);
});

test('the addresses are those that npm start takes', () => {
  const portOf = (name: string) => Number(new RegExp(`^${name}=\\S*127\\.0\\.0\\.1:(\\d+)$`, 'm').exec(README)?.[1]);
  const distance = LISTENERS.indexOf('sandbox-control') - LISTENERS.indexOf('cashier');
  expect(portOf('SANDBOX') - portOf('CASHIER')).toBe(distance);
});

test('the grpcurl that readers are told to install is the one that the blocks are run with', () => {
  expect(README).toContain(`go install ${GRPCURL}`);
});

test('the table of reasons has every reason that a caller of the cashier can meet', () => {
  // Said inside the mesh, or by calls that callers of the cashier do not make.
  const notForCallers = [
    'UNSPECIFIED',
    'NOT_YET_IMPLEMENTED',
    'ACCOUNT_UNKNOWN',
    'VERSION_CONFLICT',
    'MAP_CHANGE_REFUSED',
    'LANE_UNKNOWN',
    'BILL_ABSENT',
    'BILL_BROKEN',
    'BILL_NOT_READY',
    'BILL_REFUSED',
    'REPORT_UNKNOWN',
  ];
  const table = README.slice(README.indexOf('What a program does about a reason'), README.indexOf('## Traces'));
  const told = [...table.matchAll(/`([A-Z][A-Z_]+)`/g)].map(([, name = '']) => name);
  const reasons = Object.keys(ErrorReason).filter((name) => !notForCallers.includes(name));
  expect(told.toSorted()).toEqual(reasons.toSorted());
});
