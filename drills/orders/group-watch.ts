import { type Clock, repeat } from '@tillmesh/clock';
import {
  CircuitState,
  GroupState,
  OrderStoreService,
} from '@tillmesh/proto/tillmesh/orderstore/v1/order_store_service_pb.ts';
import { createClient } from '@tillmesh/rpc';

/** When new orders began or ceased to avoid a group. */
export type Turn = {
  readonly atMs: number;
  readonly groupTag: number;
  readonly isAvoided: boolean;
  readonly note: string;
};

/** Notes when new orders avoid groups. */
export type GroupWatch = {
  readonly turns: readonly Turn[];
  /** Whether new orders avoid the group now. */
  isAvoided(groupTag: number): boolean;
  /** Resolves when it is as told; false when it is not within the time. */
  await(groupTag: number, isAvoided: boolean, withinMs: number): Promise<boolean>;
  close(): void;
};

const LOOK_EVERY_MS = 25;
const ANSWER_MS = 1_000;

/**
 * Asks an order store over and over which groups take new orders.
 *
 * @param sinceBegin ms since the load began: the time of the turns.
 */
export const watchGroups = (target: string, clock: Clock, sinceBegin: () => number): GroupWatch => {
  const store = createClient(OrderStoreService, { target, caller: 'drill', capMs: ANSWER_MS, clock });
  const stop = new AbortController();
  const turns: Turn[] = [];
  const avoided = new Map<number, boolean>();
  repeat({
    clock,
    everyMs: LOOK_EVERY_MS,
    signal: stop.signal,
    task: async () => {
      const { groups } = await store.getGroupStatus({});
      for (const { groupTag, circuit, state, note, primaryEndpoint } of groups) {
        const isAvoided = circuit !== CircuitState.CLOSED || state !== GroupState.OPEN || primaryEndpoint === '';
        if ((avoided.get(groupTag) ?? false) !== isAvoided)
          turns.push({ atMs: sinceBegin(), groupTag, isAvoided, note });
        avoided.set(groupTag, isAvoided);
      }
    },
    // An order store that does not answer says nothing of its groups.
    onError: () => undefined,
  }).catch(() => undefined);
  const isAvoided = (groupTag: number) => avoided.get(groupTag) ?? false;
  return {
    turns,
    isAvoided,
    await: async (groupTag, wanted, withinMs) => {
      const endMs = clock.monotonicMs() + withinMs;
      while (isAvoided(groupTag) !== wanted) {
        if (clock.monotonicMs() > endMs) return false;
        await clock.sleep(LOOK_EVERY_MS);
      }
      return true;
    },
    close: () => {
      stop.abort();
      store.close();
    },
  };
};
