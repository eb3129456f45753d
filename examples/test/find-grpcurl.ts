import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT, runToEnd } from './run-to-end.ts';

/** What README.md tells its readers to install. */
export const GRPCURL = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4';

/** Tools that were installed for this checkout; ignored by git. */
const TOOLS = join(ROOT, '.tools', 'bin');

/** A first build of it takes one minute on two cores. */
export const INSTALL_MS_MAX = 600_000;

export type FoundGrpcurl =
  /** The folder to put on PATH. */
  { readonly kind: 'found'; readonly folder: string } | { readonly kind: 'missing'; readonly why: string };

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const folderOf = (program: string, folders: readonly string[]): string | undefined =>
  folders.find((folder) => folder !== '' && isProgram(join(folder, program)));

/** Finds grpcurl on PATH or among this checkout's tools; otherwise builds it there where Go is installed. */
export const findGrpcurl = async (env: NodeJS.ProcessEnv, tools = TOOLS): Promise<FoundGrpcurl> => {
  const path = (env['PATH'] ?? '').split(delimiter);
  const folder = folderOf('grpcurl', [...path, tools]);
  if (folder !== undefined) return { kind: 'found', folder };
  if (folderOf('go', path) === undefined) {
    return { kind: 'missing', why: 'there is neither grpcurl nor go on PATH, so that it can be neither run nor built' };
  }
  const { status, stderr } = await runToEnd('go', ['install', GRPCURL], {
    env: { ...env, GOBIN: tools },
    withinMs: INSTALL_MS_MAX,
  });
  return status === 0
    ? { kind: 'found', folder: tools }
    : { kind: 'missing', why: `go install ${GRPCURL} ended with status ${status}: ${stderr.trim().slice(-400)}` };
};
