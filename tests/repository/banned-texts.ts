import { mask } from './masked.ts';
import { type Finding, lineAt, type SourceFile } from './source-tree.ts';

/** A text that may not stand in the repository. */
export type BannedText = {
  /** Always with the g flag. */
  readonly pattern: RegExp;
  /** Where it is looked for: code without comments and texts, or everything. */
  readonly in: 'code' | 'everything';
  readonly files: RegExp;
  /** The homes where it may stand. */
  readonly except?: RegExp;
  readonly instead: string;
  readonly because: string;
};

const sources = /^(?:(?:libs|services)\/[^/]+\/src\/|examples\/src\/|scripts\/).*\.ts$/;
const code = /\.(?:ts|mjs)$/;
const all = /^/;

const theClock = 'the Clock that is passed in';
const becauseOfTime = 'with time from outside a test moves the clock, and a simulation repeats';

/** What may not be written, with what to write and why. */
export const bannedTexts: readonly BannedText[] = [
  {
    pattern: /\bDate\.now\b|\bnew Date\s*(?:\(\s*\)|(?![\s\w(]))/g,
    in: 'code',
    files: sources,
    // The example shows a caller that has none of our libraries.
    except: /^libs\/clock\/src\/|^examples\/src\/plain-grpc-js\.ts$/,
    instead: `${theClock}: clock.nowMs()`,
    because: becauseOfTime,
  },
  {
    pattern: /\bperformance\.now\b|\bprocess\.(?:hrtime|uptime)\b/g,
    in: 'code',
    files: sources,
    except: /^libs\/clock\/src\//,
    instead: `${theClock}: clock.monotonicMs()`,
    because: becauseOfTime,
  },
  {
    pattern: /\bset(?:Timeout|Interval)\b/g,
    in: 'code',
    files: sources,
    except: /^libs\/clock\/src\//,
    instead: `${theClock}: clock.after(), clock.sleep() or repeat()`,
    because: 'a forgotten timer keeps a process alive, runs of an interval overlap, and tests would have to wait',
  },
  {
    pattern: /['"](?:node:)?timers(?:\/promises)?['"]/g,
    in: 'everything',
    files: sources,
    except: /^libs\/clock\/src\//,
    instead: `${theClock}: clock.sleep()`,
    because: 'it is setTimeout by another name',
  },
  {
    pattern: /\bMath\.random\b/g,
    in: 'code',
    files: code,
    instead: 'the Random that is passed in (systemRandom, seededRandom)',
    because: 'a run that cannot be repeated cannot be examined',
  },
  {
    pattern: /\bprocess\.env\b/g,
    in: 'code',
    files: /^(?:libs|services|examples)\/.*\.ts$/,
    // runService hands the environment to what reads it: the configuration and the OpenTelemetry settings.
    except: /^libs\/rpc\/src\/run-service\.ts$|^services\/[^/]+\/src\/(?:[\w-]+-)?main\.ts$|^examples\/src\/|\/test\//,
    instead: 'a setting in the service’s config.ts, or the env that is passed in',
    because: 'settings are checked once, at start, by name',
  },
  {
    pattern: /\bconsole\./g,
    in: 'code',
    files: /^(?:libs|services)\/[^/]+\/src\/.*\.ts$/,
    instead: 'the Log that is passed in',
    because: 'a line without level, service and trace is lost among those of twelve processes',
  },
  {
    pattern: /\bas any\b|<any>/g,
    in: 'code',
    files: code,
    instead: 'a type guard, or a type that fits',
    because: 'a cast that lies hides the next mistake as well',
  },
  {
    pattern: /@ts-(?:ignore|nocheck)\b/g,
    in: 'everything',
    files: code,
    instead: 'a @ts-expect-error with its reason, where a test shows that something does not compile',
    because: 'it hides every later error of its line',
  },
  {
    pattern: /\b(?:test|it|describe|suite)(?:\.\w+)*\.only\b/g,
    in: 'code',
    files: code,
    instead: 'a path or a name on the command line: npm test -- libs/domain -t "a name"',
    because: 'it silently leaves out every other test',
  },
  {
    // Written so that this line is no finding of its own.
    pattern: /\b(?:TO[D]O|FIX[M]E)\b/g,
    in: 'everything',
    files: all,
    instead: 'the work itself, an issue, or a sentence that says what holds today',
    because: 'nobody has decided anything',
  },
  {
    pattern: /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.|\bnpm\.pkg\.github\.com/g,
    in: 'everything',
    files: all,
    instead: 'nothing: a machine’s own settings say which registry it uses',
    because: 'many machines reach only a mirror',
  },
  {
    pattern: /(?<![\w.\-/])\/(?:work|root|home\/[a-z]\w*)\/[\w.]/g,
    in: 'everything',
    files: all,
    instead: 'a path from the repository’s root, or one made from import.meta.url',
    because: 'no other machine has it',
  },
  {
    pattern: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*[A-Za-z0-9+/]{20}|\bMII[A-Za-z0-9+/]{200,}/g,
    in: 'everything',
    files: all,
    instead: 'a key that is made when the test or the stack starts',
    because: 'a key in a repository is public, and somebody will use it',
  },
];

/** Every place where a banned text stands. */
export const findBanned = (files: readonly SourceFile[], banned: readonly BannedText[] = bannedTexts): Finding[] =>
  files.flatMap(({ path, text }) => {
    const here = banned.filter((rule) => rule.files.test(path) && rule.except?.test(path) !== true);
    const codeOnly = here.some((rule) => rule.in === 'code') ? mask(text).code : '';
    return here.flatMap((rule) => {
      const searched = rule.in === 'code' ? codeOnly : text;
      return [...searched.matchAll(rule.pattern)].map((match) => ({
        path,
        line: lineAt(searched, match.index),
        what: `${match[0].slice(0, 40)}: write ${rule.instead}, because ${rule.because}`,
      }));
    });
  });

const emptyNames = /^(?:utils?|common|commons|helpers?|managers?|misc|shared|lib)\.(?:ts|mjs)$/;

/** Files whose name says nothing of what is in them. */
export const emptyFileNames = (files: readonly SourceFile[]): Finding[] =>
  files
    .filter(({ path }) => emptyNames.test(path.split('/').at(-1) ?? ''))
    .map(({ path }) => ({ path, line: 1, what: 'has a name that says nothing: name it for what it holds' }));
