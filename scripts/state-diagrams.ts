import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ATTEMPT_MOVES, allowedPairs, isFinal, type Moves, PAYMENT_MOVES, REFUND_MOVES } from '@tillmesh/domain';
import { type Ended, root } from './run-program.ts';

const file = join(root, 'docs', 'states.md');

const diagram = <State extends string>(moves: Moves<State, string>, first: State): string[] => [
  '```mermaid',
  'stateDiagram-v2',
  `  [*] --> ${first}`,
  ...allowedPairs(moves).map(({ from, event, to }) => `  ${from} --> ${to}: ${event}`),
  ...(Object.keys(moves) as State[]).filter((state) => isFinal(moves, state)).map((state) => `  ${state} --> [*]`),
  '```',
];

/** The page of the state machines, made from the tables that the code decides by. */
export const statePage = (): string =>
  [
    '# States',
    '',
    '<!-- Written by `npm run generate` from libs/domain/src/{payment,attempt,refund}.ts; do not edit. -->',
    '',
    'These are the tables that the code decides by, that the tests walk through pair by pair, and from which the databases’ own',
    'triggers are made: a move that is not here is refused by the database as well.',
    '',
    '## Payment',
    '',
    '`unbound` and `void` never leave the order store: an order that was written away from its home group and is not yet allowed to be',
    'paid, and one that lost to another order of the same merchant number.',
    '',
    ...diagram(PAYMENT_MOVES, 'paying'),
    '',
    '## Attempt',
    '',
    'One try through one channel account. `succeeded` pays for the payment; `surplus` is money that pays for nothing (it came after the',
    'payment had ended) and goes back by a refund of its own.',
    '',
    ...diagram(ATTEMPT_MOVES, 'started'),
    '',
    '## Refund',
    '',
    ...diagram(REFUND_MOVES, 'requested'),
    '',
  ].join('\n');

/** Writes the page. */
export const writeStatePage = (): void => writeFileSync(file, statePage());

/** Status 0 where the committed page is what the tables say. */
export const statePageIsFresh = (): Ended =>
  existsSync(file) && readFileSync(file, 'utf8') === statePage()
    ? { status: 0, output: '' }
    : { status: 1, output: 'docs/states.md is stale. Run `npm run generate` and commit what it writes.' };
