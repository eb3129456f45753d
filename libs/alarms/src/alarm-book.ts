export const SEVERITIES = ['urgent', 'watch'] as const;
/** `urgent`: money is at stake, now. `watch`: unusual, within the day. */
export type Severity = (typeof SEVERITIES)[number];

/** Something that a person has to know of. */
export type AlarmNews = {
  /** What kind, such as `payment_unfinished`: lower case with underscores. */
  readonly name: string;
  readonly severity: Severity;
  /** With the name, what makes it this alarm and no other. */
  readonly labels: Readonly<Record<string, string>>;
  /** In one line; the latest one counts. */
  readonly summary: string;
};

export type Alarm = AlarmNews & {
  readonly raisedAtMs: number;
  readonly lastSeenAtMs: number;
  readonly times: number;
  /** When it ended; undefined while it stands. */
  readonly endedAtMs: number | undefined;
};

/** So many stand at once; more are counted and told of by one alarm. */
export const ALARMS_MAX = 1_000;

/** The alarms of one process: the same one raised again stays one, ended by whoever raised it or by nobody raising it any more. */
export type AlarmBook = {
  /** True where it is new, or new again. */
  raise(news: AlarmNews, nowMs: number): boolean;
  /** What it was about is over. True where it stood. */
  end(alarm: Pick<AlarmNews, 'name' | 'labels'>, nowMs: number): boolean;
  /** Ends what nobody has raised for so long. */
  endSilent(nowMs: number): void;
  /** What stands: the gravest first, the oldest first among equals. */
  standing(): readonly Alarm[];
  /** What ended since this was asked last. */
  takeEnded(): readonly Alarm[];
  dropped(): number;
};

const keyOf = ({ name, labels }: Pick<AlarmNews, 'name' | 'labels'>): string =>
  JSON.stringify([name, Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1))]);

/** @param silentMs what nobody has raised for so long is over. */
export const createAlarmBook = (silentMs: number): AlarmBook => {
  const book = new Map<string, Alarm>();
  let ended: Alarm[] = [];
  let dropped = 0;

  const close = (key: string, alarm: Alarm, nowMs: number): void => {
    book.delete(key);
    if (ended.length < ALARMS_MAX) ended.push({ ...alarm, endedAtMs: nowMs });
  };

  return {
    raise: (news, nowMs) => {
      const key = keyOf(news);
      const before = book.get(key);
      if (before === undefined && book.size >= ALARMS_MAX) {
        dropped += 1;
        return false;
      }
      book.set(key, {
        ...news,
        raisedAtMs: before?.raisedAtMs ?? nowMs,
        lastSeenAtMs: nowMs,
        times: (before?.times ?? 0) + 1,
        endedAtMs: undefined,
      });
      return before === undefined;
    },
    end: (alarm, nowMs) => {
      const key = keyOf(alarm);
      const standing = book.get(key);
      if (standing === undefined) return false;
      close(key, standing, nowMs);
      return true;
    },
    endSilent: (nowMs) => {
      for (const [key, alarm] of book) if (nowMs - alarm.lastSeenAtMs >= silentMs) close(key, alarm, nowMs);
    },
    standing: () =>
      [...book.values()].toSorted(
        (a, b) => SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) || a.raisedAtMs - b.raisedAtMs,
      ),
    takeEnded: () => {
      const taken = ended;
      ended = [];
      return taken;
    },
    dropped: () => dropped,
  };
};
