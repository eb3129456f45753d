// What every call of npm has in common.

/** Nothing we install needs an install script, and none may run. */
export const npmFlags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-update-notifier'];

// npm hands its own flags to the scripts it runs: `npm test --omit=dev` or `-w libs/clock` would silently install
// something else here. Only what says how the registry is reached is passed on.
const passedOn =
  /^npm_config_(?:registry|cache|userconfig|globalconfig|proxy|https_proxy|noproxy|ca|cafile|cert|key|strict_ssl|offline|prefer_offline|fetch_.*|maxsockets|\/\/.*|@.*)$/i;

/** The environment without what the npm that runs us has put there for its script. */
export const npmEnvironment = () => {
  const kept = Object.entries(process.env).filter(
    ([name]) => name !== 'NODE_ENV' && (!/^npm_/i.test(name) || passedOn.test(name)),
  );
  return Object.fromEntries(kept);
};

/** The end of a program's output, where the error stands. */
export const tailOf = (output) => output.split('\n').slice(-25).join('\n');
