import { mkdirSync, readlinkSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

let revision = 0;

/**
 * Writes files in a folder as the kubelet mounts a Secret: each name points through `..data`, which is moved to a new folder in one
 * step; the one before is deleted.
 */
export const mountSecret = (folder: string, files: Readonly<Record<string, string | Buffer>>): void => {
  revision += 1;
  const place = `..revision_${revision}`;
  mkdirSync(join(folder, place), { recursive: true });
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, place, name), content);
  const data = join(folder, '..data');
  let before: string | undefined;
  try {
    before = readlinkSync(data);
  } catch {
    // The first time there is none.
  }
  symlinkSync(place, `${data}_next`);
  renameSync(`${data}_next`, data);
  for (const name of Object.keys(files)) {
    rmSync(join(folder, name), { force: true });
    symlinkSync(join('..data', name), join(folder, name));
  }
  if (before !== undefined) rmSync(join(folder, before), { recursive: true, force: true });
};

/** A certificate with its key and those whom it believes, as a Secret of type kubernetes.io/tls has them. */
export const tlsSecret = (
  own: { readonly certificate: string; readonly privateKey: { export(options: object): string | Buffer } },
  authorities: readonly { readonly certificate: string }[],
): Readonly<Record<'tls.crt' | 'tls.key' | 'ca.crt', string>> => ({
  'tls.crt': own.certificate,
  'tls.key': String(own.privateKey.export({ type: 'pkcs8', format: 'pem' })),
  'ca.crt': authorities.map(({ certificate }) => certificate).join(''),
});
