import type { Clock } from '@tillmesh/clock';
import type { WatchLanesResponse } from '@tillmesh/proto/tillmesh/lane/v1/lane_service_pb.ts';
import { type LaneFigures, laneOfReading, mergeFigures, type ProcessLane } from './lane-figures.ts';
import { type LaneCounts, type Severity, severityOf } from './severity.ts';

/** `lost`: it says nothing any more, or never did. `without_lanes`: it answers, and has none. */
export type Presence = 'present' | 'lost' | 'without_lanes';

/** One process that is followed. */
export type ProcessView = {
  readonly service: string;
  /** host:port. */
  readonly address: string;
  /** What it calls itself; empty as long as it has said nothing. */
  readonly instance: string;
  readonly presence: Presence;
  /** Since it was last heard, ms; null where it never was. */
  readonly silentMs: number | null;
  /** Why its stream ended the last time; empty where it did not. */
  readonly why: string;
};

/** A lane in one of its processes. */
export type InstanceView = ProcessLane & {
  readonly address: string;
  readonly instance: string;
  readonly isAway: boolean;
};

/** A lane of a service, in all of its processes. */
export type LaneView = {
  /** Of service and lane. */
  readonly key: string;
  readonly service: string;
  readonly name: string;
  readonly severity: Severity;
  /** Of the processes that answer. */
  readonly figures: LaneFigures;
  readonly counts: LaneCounts;
  readonly instances: readonly InstanceView[];
};

/** Everything that is known at one moment. */
export type BoardView = { readonly processes: readonly ProcessView[]; readonly lanes: readonly LaneView[] };

/** Lanes of every process, as they said it last. */
export type LaneBoard = {
  /** A process that is to be followed from now on. */
  expect(service: string, address: string): void;
  heard(service: string, address: string, said: Pick<WatchLanesResponse, 'instance' | 'lanes'>): void;
  /** Its stream ended. It counts as lost when nothing is heard for AWAY_AFTER_MS, so that a new stream is no alarm. */
  ended(service: string, address: string, why: string, hasNoLanes: boolean): void;
  /** Not to be followed any more. */
  forget(service: string, address: string): void;
  view(): BoardView;
  /** Texts that differ whenever a person should see a change at once: breakers, stalls. */
  alarms(): string;
};

/** Readings come every second: three that are missing are a process that is away or hangs. */
export const AWAY_AFTER_MS = 3_000;
/** A process has a dozen lanes; more than this is a mistake of its, not ours to show. */
const LANES_MAX = 256;
const INSTANCE_LENGTH_MAX = 128;

type Entry = {
  readonly service: string;
  readonly address: string;
  readonly instance: string;
  readonly lanes: readonly ProcessLane[];
  readonly heardMs: number | undefined;
  readonly why: string;
  readonly hasNoLanes: boolean;
};

const keyOf = (service: string, name: string): string => `${service}\n${name}`;

const count = <T>(all: readonly T[], test: (one: T) => boolean): number => all.filter(test).length;

const laneView = (service: string, name: string, instances: readonly InstanceView[]): LaneView => {
  const present = instances.filter(({ isAway }) => !isAway);
  const figures = mergeFigures(present);
  const counts: LaneCounts = {
    present: present.length,
    away: instances.length - present.length,
    open: count(present, ({ breaker }) => breaker === 'open'),
    halfOpen: count(present, ({ breaker }) => breaker === 'half_open'),
    forcedOpen: count(present, ({ control }) => control === 'forced_open'),
    forcedClosed: count(present, ({ control }) => control === 'forced_closed'),
    stalled: count(present, ({ stalled }) => stalled),
  };
  return {
    key: keyOf(service, name),
    service,
    name,
    severity: severityOf(figures, counts),
    figures,
    counts,
    instances,
  };
};

/** Creates a board on which nothing is. */
export const createLaneBoard = (clock: Clock): LaneBoard => {
  const entries = new Map<string, Entry>();

  const change = (service: string, address: string, changed: Partial<Entry>): void => {
    const key = keyOf(service, address);
    const entry = entries.get(key);
    // What comes after it was forgotten is of a stream that is being closed.
    if (entry !== undefined) entries.set(key, { ...entry, ...changed });
  };
  const isSilent = ({ heardMs }: Entry): boolean =>
    heardMs === undefined || clock.monotonicMs() - heardMs > AWAY_AFTER_MS;
  const presenceOf = (entry: Entry): Presence => {
    if (entry.hasNoLanes) return 'without_lanes';
    return isSilent(entry) ? 'lost' : 'present';
  };

  return {
    expect: (service, address) => {
      const key = keyOf(service, address);
      if (entries.has(key)) return;
      const unheard = { instance: '', lanes: [], heardMs: undefined, why: '', hasNoLanes: false };
      entries.set(key, { service, address, ...unheard });
    },
    heard: (service, address, said) => {
      change(service, address, {
        instance: said.instance.slice(0, INSTANCE_LENGTH_MAX),
        lanes: said.lanes.slice(0, LANES_MAX).map(laneOfReading),
        heardMs: clock.monotonicMs(),
        why: '',
        hasNoLanes: false,
      });
    },
    ended: (service, address, why, hasNoLanes) => change(service, address, { why, hasNoLanes }),
    forget: (service, address) => {
      entries.delete(keyOf(service, address));
    },
    view: () => {
      const lanes = new Map<string, InstanceView[]>();
      for (const entry of entries.values()) {
        const { service, address, instance } = entry;
        const isAway = isSilent(entry);
        for (const lane of entry.lanes) {
          const key = keyOf(service, lane.name);
          lanes.set(key, [...(lanes.get(key) ?? []), { ...lane, address, instance, isAway }]);
        }
      }
      return {
        processes: [...entries.values()].map((entry) => ({
          service: entry.service,
          address: entry.address,
          instance: entry.instance,
          presence: presenceOf(entry),
          silentMs: entry.heardMs === undefined ? null : Math.round(clock.monotonicMs() - entry.heardMs),
          why: entry.why,
        })),
        lanes: [...lanes].map(([key, instances]) =>
          laneView(key.slice(0, key.indexOf('\n')), instances[0]?.name ?? '', instances),
        ),
      };
    },
    alarms: () =>
      [...entries.values()]
        .flatMap(({ address, lanes }) =>
          lanes.map(({ name, breaker, control, stalled }) => [address, name, breaker, control, stalled].join(' ')),
        )
        .join('\n'),
  };
};
