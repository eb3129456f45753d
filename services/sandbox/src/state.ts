import { assert } from '@tillmesh/domain';
import { type Journal, noJournal, openJournal } from './journal.ts';

/** Rows by id. Rows are never changed in place: a change is a new row put over the old one. */
export interface Table<Row> {
  get(id: string): Row | undefined;
  put(row: Row): void;
  remove(id: string): void;
  /** In the order in which the ids first appeared. */
  values(): IterableIterator<Row>;
  readonly size: number;
  /** Calls back for every row put, replayed ones included. */
  watch(listener: (row: Row) => void): void;
  /** A way to find rows by another text than their id; the last row put under a text is the one found. */
  index(keyOf: (row: Row) => string | undefined): (key: string) => Row | undefined;
}

interface Replayable {
  replay(id: string, row: unknown): void;
}

const createTable = <Row>(
  idOf: (row: Row) => string,
  note: (id: string, row: Row | null) => void,
): Table<Row> & Replayable => {
  const rows = new Map<string, Row>();
  const listeners: ((row: Row) => void)[] = [];
  const take = (row: Row) => {
    rows.set(idOf(row), row);
    for (const listener of listeners) listener(row);
  };
  const table: Table<Row> & Replayable = {
    get: (id) => rows.get(id),
    put: (row) => {
      take(row);
      note(idOf(row), row);
    },
    remove: (id) => {
      if (rows.delete(id)) note(id, null);
    },
    values: () => rows.values(),
    get size() {
      return rows.size;
    },
    watch: (listener) => {
      listeners.push(listener);
    },
    index: (keyOf) => {
      const ids = new Map<string, string>();
      table.watch((row) => {
        const key = keyOf(row);
        if (key !== undefined) ids.set(key, idOf(row));
      });
      return (key) => {
        const id = ids.get(key);
        return id === undefined ? undefined : rows.get(id);
      };
    },
    // The journal holds what this same table put: the row's type is known though the file cannot say it.
    replay: (id, row) => (row === null ? rows.delete(id) : take(row as Row)),
  };
  return table;
};

/**
 * Everything the sandbox must not forget: tables in memory over one journal. Tables are made first, then `open` replays
 * the journal into them; a row must not be put before.
 */
export interface State {
  table<Row>(name: string, idOf: (row: Row) => string): Table<Row>;
  /** @param journalFile undefined: nothing outlives the process. */
  open(journalFile: string | undefined): Promise<void>;
  /** Resolves when every change made so far is safe. Has to be awaited before anyone is answered on it. */
  durable(): Promise<void>;
  close(): Promise<void>;
}

export const createState = (): State => {
  const tables = new Map<string, Replayable>();
  let journal: Journal | undefined;
  const opened = (): Journal => {
    assert(journal !== undefined, 'the state is used before it was opened');
    return journal;
  };
  return {
    table: (name, idOf) => {
      assert(journal === undefined && !tables.has(name), `the table ${name} comes too late or twice`);
      const table = createTable(idOf, (id, row) => opened().note([name, id, row]));
      tables.set(name, table);
      return table;
    },
    open: async (journalFile) => {
      const replay = ([name, id, row]: readonly [string, string, unknown]) => {
        const table = tables.get(name);
        if (table === undefined) throw new Error(`the journal speaks of a table ${name}, which there is not`);
        table.replay(id, row);
      };
      journal = journalFile === undefined ? noJournal : await openJournal(journalFile, replay);
    },
    durable: () => opened().durable(),
    close: () => opened().close(),
  };
};
