/** Keeps work apart that must not overlap. */
export type Turns = {
  /** Runs beside other work of this kind, never beside work that runs alone. */
  together<T>(work: () => Promise<T>): Promise<T>;
  /** Runs when everything that was begun before has ended; what comes later waits. */
  alone<T>(work: () => Promise<T>): Promise<T>;
};

/** Turns in the order in which they were asked for. */
export const createTurns = (): Turns => {
  let lastAlone: Promise<unknown> = Promise.resolve();
  let together = new Set<Promise<unknown>>();
  const settled = (work: Promise<unknown>): Promise<unknown> => work.catch(() => undefined);
  return {
    together: (work) => {
      const turn = settled(lastAlone).then(work);
      const group = together;
      group.add(turn);
      void settled(turn).then(() => group.delete(turn));
      return turn;
    },
    alone: (work) => {
      const before = [lastAlone, ...together].map(settled);
      const turn = Promise.all(before).then(work);
      lastAlone = turn;
      together = new Set();
      return turn;
    },
  };
};
