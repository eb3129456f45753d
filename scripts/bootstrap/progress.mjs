// What a person sees while something is installed. On stderr: stdout belongs to the script that runs afterwards.

/** A problem that was foreseen: its message says what is wrong and what to do. */
export class BootstrapError extends Error {}

export const say = (line) => process.stderr.write(`${line}\n`);

const stillAtItMs = 15_000;

/**
 * Says what is being done, that it goes on while it takes long, and how long it took.
 *
 * @template T
 * @param {string} what a sentence without its end, such as `Installing the dependencies`
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export const step = async (what, work) => {
  const startedMs = performance.now();
  const seconds = () => ((performance.now() - startedMs) / 1000).toFixed(1);
  say(`• ${what}`);
  const timer = setInterval(() => say(`  still at it after ${seconds()} s`), stillAtItMs);
  try {
    const result = await work();
    say(`  done in ${seconds()} s`);
    return result;
  } finally {
    clearInterval(timer);
  }
};
