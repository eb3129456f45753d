import { counter, durations } from '@tillmesh/telemetry';

const linkSeconds = durations(
  'tillmesh_channel_link_seconds',
  'Network path to a channel: tcp until connected, tls the handshake after it, first_byte from sent to the head of the answer.',
  ['channel', 'host', 'phase'],
);
const linkFailures = counter(
  'tillmesh_channel_link_failures_total',
  'Exchanges and probes without an answer, by host.',
  ['channel', 'host', 'cause'],
);

export type LinkPhase = 'tcp' | 'tls' | 'first_byte';

/** Of the last exchanges each counts a tenth less than the one after it. */
const NEWEST_SHARE = 0.1;

/** What is measured of the network path to every host of a channel, by probes also while nobody calls. */
export type LinkQuality = {
  note(host: string, phase: LinkPhase, ms: number): void;
  failed(host: string, cause: string): void;
  /** How long a host takes to answer as a rule, ms; undefined before its first answer. */
  usualMs(host: string): number | undefined;
};

/** Starts to measure a channel's hosts. */
export const createLinkQuality = (channelId: string): LinkQuality => {
  const usual = new Map<string, number>();
  return {
    note: (host, phase, ms) => {
      linkSeconds.record({ channel: channelId, host, phase }, ms / 1_000);
      if (phase !== 'first_byte') return;
      const before = usual.get(host) ?? ms;
      usual.set(host, before + NEWEST_SHARE * (ms - before));
    },
    failed: (host, cause) => linkFailures.add({ channel: channelId, host, cause }),
    usualMs: (host) => usual.get(host),
  };
};
