import type { Clock } from '@tillmesh/clock';
import type { Deadline } from './connection.ts';
import { DatabaseError, OWN_CODES } from './database-error.ts';

/**
 * Gives up at the deadline on what has statements of its own with deadlines of their own.
 *
 * @throws {DatabaseError} not_written, when the deadline came first.
 */
export const inTime = <T>(work: Promise<T>, deadline: Deadline, clock: Clock): Promise<T> =>
  new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, deadline.atMs - clock.monotonicMs()), () =>
      reject(new DatabaseError(OWN_CODES.timeUp, 'not_written')),
    );
    work.then(resolve, reject).finally(cancel);
  });

/** The first `count` values, in order of arrival; undefined when too few promises are fulfilled. */
export const firstOf = <T>(count: number, promises: readonly Promise<T>[]): Promise<readonly T[] | undefined> =>
  new Promise((resolve) => {
    const values: T[] = [];
    let left = promises.length;
    const settled = () => {
      left -= 1;
      if (values.length >= count) resolve(values);
      else if (left === 0) resolve(undefined);
    };
    for (const promise of promises) {
      promise.then(
        (value) => {
          values.push(value);
          settled();
        },
        () => settled(),
      );
    }
  });
