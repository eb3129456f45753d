import { followTarget } from './follow-target.ts';

/** A process, or several behind one target, whose lanes are shown under one name. */
export type Target = { readonly service: string; readonly target: string };

type Common = Omit<Parameters<typeof followTarget>[0], keyof Target>;

/** Follows a list of targets that may change: those that are new from then on, those that are gone no more. */
export const createTargetFollower = (common: Common): { readonly follow: (targets: readonly Target[]) => void } => {
  const { log, signal } = common;
  const followed = new Map<string, AbortController>();
  const keyOf = ({ service, target }: Target): string => `${service}\n${target}`;

  const begin = (of: Target): AbortController => {
    const stop = new AbortController();
    followTarget({ ...common, ...of, signal: AbortSignal.any([signal, stop.signal]) }).catch((error: unknown) =>
      log.error({ err: error, ...of }, 'a target is not followed any more'),
    );
    return stop;
  };

  return {
    follow: (targets) => {
      const wanted = new Set(targets.map(keyOf));
      for (const [key, stop] of followed) {
        if (wanted.has(key)) continue;
        stop.abort(new Error('it is not configured any more'));
        followed.delete(key);
      }
      for (const target of targets) {
        if (!followed.has(keyOf(target))) followed.set(keyOf(target), begin(target));
      }
    },
  };
};
