import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

/** A file of the page, as it is answered. */
export type PageFile = { readonly contentType: string; readonly body: Buffer };

const TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/** Reads the page's files once; by path of the request. Nothing else of the disk can be asked for. */
export const readPageFiles = (folder: string): ReadonlyMap<string, PageFile> =>
  new Map(
    readdirSync(folder).flatMap((name): (readonly [string, PageFile])[] => {
      const contentType = TYPES.get(extname(name));
      if (contentType === undefined) return [];
      const file = { contentType, body: readFileSync(join(folder, name)) };
      return [[name === 'index.html' ? '/' : `/${name}`, file]];
    }),
  );
