import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { LocalStackError } from './local-stack-error.ts';

/** Where a stack keeps what. */
export type StackFolder = {
  readonly root: string;
  /** Logs and pid files of the servers. */
  readonly logs: string;
  /** One file per password. */
  readonly secrets: string;
  /** Unix sockets; outside the stack's folder when its path is long. */
  readonly sockets: string;
  /** Who runs the stack now. */
  readonly ownerFile: string;
  /** The ports chosen before. */
  readonly portsFile: string;
  /** Which groups were added and removed while the stack ran. */
  readonly changesFile: string;
  /** Who is the primary of a group. */
  readonly rolesFile: (groupTag: number) => string;
  /** The folder of one server. */
  readonly of: (name: string) => string;
};

// sockaddr_un holds 108 bytes on Linux and 104 on macOS; the rest is room for a longer node name.
const SOCKET_PATH_BYTES_MAX = 100;
const LONGEST_SOCKET_NAME = 'g127-c.sock';

const fits = (folder: string): boolean => Buffer.byteLength(join(folder, LONGEST_SOCKET_NAME)) < SOCKET_PATH_BYTES_MAX;

/**
 * The folder for a stack's unix sockets: inside its data folder when the path is short enough, otherwise a folder of
 * this user in the folder for temporary files, always the same for the same data.
 */
export const socketFolderOf = (root: string, temporaryFolders: readonly string[], userId: number): string => {
  const inside = join(root, 'sockets');
  if (fits(inside)) return inside;
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  const outside = temporaryFolders.map((folder) => join(folder, `tillmesh-${userId}-${hash}`)).find(fits);
  if (outside === undefined) {
    throw new LocalStackError(
      'options_wrong',
      `no folder is short enough for unix sockets (${SOCKET_PATH_BYTES_MAX} bytes): neither ${root} nor ${temporaryFolders.join(' nor ')}`,
    );
  }
  return outside;
};

/** Makes a folder that only this user can enter; refuses one that somebody else has laid in the way. */
const makePrivate = (folder: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stats = lstatSync(folder);
  if (!stats.isDirectory() || stats.uid !== userInfo().uid) {
    throw new LocalStackError('options_wrong', `${folder} belongs to somebody else; remove it or use another folder`);
  }
};

/** Where things are, without making or checking anything. */
export const stackPaths = (root: string): Omit<StackFolder, 'sockets'> => ({
  root,
  logs: join(root, 'logs'),
  secrets: join(root, 'secrets'),
  ownerFile: join(root, 'owner.json'),
  portsFile: join(root, 'ports.json'),
  changesFile: join(root, 'groups.json'),
  rolesFile: (groupTag) => join(root, `g${groupTag}-roles.json`),
  of: (name) => join(root, name),
});

/** @throws {LocalStackError} `options_wrong` for a path that is not absolute or a folder of another user. */
export const openStackFolder = (path: string): StackFolder => {
  if (!isAbsolute(path)) {
    throw new LocalStackError('options_wrong', `the data folder ${path} has to be an absolute path`);
  }
  mkdirSync(path, { recursive: true, mode: 0o700 });
  // One stack has one name, so that its owner is found whatever link somebody comes by.
  const root = realpathSync(path);
  const sockets = socketFolderOf(root, [tmpdir(), '/tmp'], userInfo().uid);
  const folder: StackFolder = { ...stackPaths(root), sockets };
  for (const inner of [folder.logs, folder.secrets, folder.sockets]) makePrivate(inner);
  return folder;
};

/** Removes what lies outside the data folder, once all servers have ended. */
export const closeStackFolder = (folder: StackFolder): void => {
  if (!folder.sockets.startsWith(folder.root)) rmSync(folder.sockets, { recursive: true, force: true });
};
