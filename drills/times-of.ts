/** What was met how often, such as `cut 3×, late 1×`; `none` where there was nothing. */
export const timesOf = (met: readonly string[]): string => {
  const times = new Map<string, number>();
  for (const one of met) times.set(one, (times.get(one) ?? 0) + 1);
  return [...times].map(([one, count]) => `${one} ${count}×`).join(', ') || 'none';
};
