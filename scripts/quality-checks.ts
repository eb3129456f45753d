import { join } from 'node:path';
import { generatedCodeIsFresh } from './generated-code.ts';
import { type Ended, root, runTool } from './run-program.ts';
import { statePageIsFresh } from './state-diagrams.ts';

/** A question about the checkout that a tool answers with its exit status: 0 is yes. */
export type QualityCheck = {
  /** For the table of `npm run check`. */
  readonly name: string;
  /** The whole sentence, which is also the name of the test. */
  readonly promise: string;
  readonly run: () => Promise<Ended>;
};

/** Protos in a folder with a buf.yaml follow buf's rules and are formatted. */
export const lintProtos = async (folder: string = root): Promise<Ended> => {
  const linted = await runTool('buf', ['lint'], { folder });
  return linted.status === 0 ? runTool('buf', ['format', '--diff', '--exit-code'], { folder }) : linted;
};

/** The TypeScript project in a folder compiles. */
export const checkTypes = (folder: string = root): Promise<Ended> => runTool('tsc', ['-p', folder]);

/** The linter finds nothing, type-aware rules included. A warning counts: nobody reads warnings twice. */
export const lintCode = (folder: string = root): Promise<Ended> =>
  runTool('oxlint', ['--config', join(root, '.oxlintrc.json'), '--deny-warnings', '--format', 'unix', '.'], { folder });

/** Files are formatted and their imports sorted. */
export const checkFormat = (folder: string = root): Promise<Ended> =>
  runTool('biome', ['check', '--config-path', root, '--max-diagnostics', '200', folder]);

/** Everything that tools check. The rules that need no tool are tests in tests/repository. */
export const qualityChecks: readonly QualityCheck[] = [
  { name: 'protos', promise: 'the protos follow the rules of buf.yaml and are formatted', run: () => lintProtos() },
  { name: 'generated code', promise: 'the generated code is what the protos say', run: generatedCodeIsFresh },
  {
    name: 'state diagrams',
    promise: 'the page of the state machines is what their tables say',
    run: async () => statePageIsFresh(),
  },
  { name: 'types', promise: 'the types check', run: () => checkTypes() },
  { name: 'lint', promise: 'the linter finds nothing, type-aware rules included', run: () => lintCode() },
  { name: 'format', promise: 'every file is formatted and its imports are sorted', run: () => checkFormat() },
];
