import { groupTag } from '@tillmesh/domain';
import type { GroupClient } from '../src/group-client.ts';

/** What is not to be asked in a test. */
export const never = (): never => {
  throw new Error('this is not to be asked');
};

/** The client of group 2 that answers what is given; whoever asks for anything else fails. */
export const clientThatAnswers = (answers: Partial<GroupClient>): GroupClient => ({
  tag: groupTag(2),
  admitsNewOrders: never,
  state: never,
  setState: never,
  mapVersion: never,
  write: never,
  read: never,
  readNearby: never,
  readConfirmed: never,
  readClaimConfirmed: never,
  readQuorum: never,
  status: never,
  look: never,
  close: never,
  ...answers,
});
