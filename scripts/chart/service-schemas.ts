import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Channel, channelSettings } from '@tillmesh/channel-kit';
import { z } from '@tillmesh/config';
import { root } from '../run-program.ts';

const services = join(root, 'services');

/** The configuration types of everything that the image can run, by the name of its folder. */
export type ServiceSchemas = {
  readonly services: ReadonlyMap<string, z.ZodType>;
  /** By the adapter's id: services/channel-<id>. */
  readonly channels: ReadonlyMap<string, z.ZodType>;
  /** Of programs beside a service, such as the migration. */
  readonly programs: ReadonlyMap<string, z.ZodType>;
};

// Services are no libraries: their files are found by their place, as all of them have one.
const exportsOf = async (folder: string, file: string): Promise<readonly (readonly [string, unknown])[]> => {
  const path = join(services, folder, 'src', file);
  return existsSync(path) ? Object.entries((await import(pathToFileURL(path).href)) as Record<string, unknown>) : [];
};

const isChannel = (value: unknown): value is Channel<never> =>
  typeof value === 'object' && value !== null && 'id' in value && 'account' in value && 'lanes' in value;

/** `order-store` → `OrderStoreConfig`. */
const configName = (folder: string): string =>
  `${folder.replaceAll(/(?:^|-)(\w)/g, (_, letter: string) => letter.toUpperCase())}Config`;

/** Reads them from the services' code; a service without a main.ts cannot be run and has none. */
export const serviceSchemas = async (): Promise<ServiceSchemas> => {
  const found = {
    services: new Map<string, z.ZodType>(),
    channels: new Map<string, z.ZodType>(),
    programs: new Map<string, z.ZodType>(),
  };
  for (const folder of readdirSync(services).toSorted()) {
    if (!existsSync(join(services, folder, 'src', 'main.ts'))) continue;
    const adapter = /^channel-(.+)$/.exec(folder)?.[1];
    if (adapter !== undefined) {
      const channel = (await exportsOf(folder, 'channel.ts')).map(([, value]) => value).find(isChannel);
      if (channel === undefined) throw new Error(`services/${folder}/src/channel.ts exports no channel`);
      found.channels.set(adapter, channelSettings(channel));
      continue;
    }
    for (const [name, value] of await exportsOf(folder, 'config.ts')) {
      if (!(value instanceof z.ZodType)) continue;
      if (name === configName(folder)) found.services.set(folder, value);
      else if (name.endsWith('Config')) found.programs.set(name, value);
    }
    if (!found.services.has(folder))
      throw new Error(`services/${folder}/src/config.ts exports no ${configName(folder)}`);
  }
  return found;
};
