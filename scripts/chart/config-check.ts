import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig, type z } from '@tillmesh/config';
import { selfSigned } from '@tillmesh/testing/self-signed';
import type { Manifest } from './render.ts';
import { type Pod, podsOf } from './rules.ts';
import type { ServiceSchemas } from './service-schemas.ts';
import { type Finding, nameOf } from './walk.ts';

const { certificate, privateKey } = selfSigned();
const publicKey = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();

/** A secret of the form that its name promises; real ones come from the cluster. */
const secretFor = (name: string): string => {
  if (name.endsWith('secret-key')) return `sk_test_${'0'.repeat(24)}`;
  if (name.endsWith('webhook-secret')) return `whsec_${'0'.repeat(24)}`;
  if (/row-key/.test(name)) return '0123456789abcdef'.repeat(4);
  if (/private-key\.pem$|merchant-key\.pem$|\.key$/.test(name)) return privateKey;
  if (/public-key\.pem$|wechatpay-key\.pem$/.test(name)) return publicKey;
  if (name.endsWith('.pem')) return certificate;
  return 'a'.repeat(32);
};

/** Every file that a configuration names beside it. */
const filesIn = (value: unknown): readonly string[] => {
  if (typeof value === 'string') return value.startsWith('../') ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(filesIn);
};

/** The configuration type of what a container runs. */
const schemaOf = (script: string, { services, channels, programs }: ServiceSchemas): z.ZodType | undefined => {
  const folder = /^services\/([^/]+)\/src\/main\.ts$/.exec(script)?.[1];
  if (script === 'services/order-store/src/migrate-main.ts') return programs.get('AdministrationConfig');
  if (folder === undefined) return undefined;
  return services.get(folder) ?? channels.get(folder.replace(/^channel-/, ''));
};

/**
 * Reads every configuration as its service would, from a folder laid out like the pod's, where only those files are that the pod's volumes
 * bring.
 */
export const findInConfigs = (manifests: readonly Manifest[], schemas: ServiceSchemas): Finding[] =>
  podsOf(manifests).flatMap((pod) => findInConfig(pod, manifests, schemas));

const findInConfig = ({ owner, spec }: Pod, manifests: readonly Manifest[], schemas: ServiceSchemas): Finding[] => {
  const container = spec.containers[0];
  const configMap = spec.volumes?.find((volume: { name: string }) => volume.name === 'config')?.configMap?.name as
    | string
    | undefined;
  const script: string | undefined = container.args?.[0];
  if (configMap === undefined || script === undefined) return [];
  const finding = (what: string): Finding => ({ object: nameOf(owner), rule: 'config', what });
  const schema = schemaOf(script, schemas);
  if (schema === undefined) return [finding(`nobody knows the configuration of ${script}`)];
  const text: string = manifests.find((each) => each.kind === 'ConfigMap' && each.metadata.name === configMap)?.[
    'data'
  ]['config.json'];
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-config-'));
  try {
    const projected: readonly string[] = (
      spec.volumes.find((volume: { name: string }) => volume.name === 'secrets')?.projected?.sources ?? []
    ).flatMap((source: { secret: { items: readonly { path: string }[] } }) =>
      source.secret.items.map(({ path }) => `../secrets/${path}`),
    );
    const hasChannelSecrets = spec.volumes.some((volume: { name: string }) => volume.name === 'channel-secrets');
    const present = [
      ...projected,
      ...filesIn(JSON.parse(text)).filter((path) => hasChannelSecrets && path.startsWith('../channel-secrets/')),
    ];
    for (const path of present) {
      const file = join(folder, 'config', path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${secretFor(path)}\n`);
    }
    mkdirSync(join(folder, 'config'), { recursive: true });
    const file = join(folder, 'config', 'config.json');
    writeFileSync(file, text);
    loadConfig(schema, { TILLMESH_CONFIG: file });
    return [];
  } catch (error) {
    return [finding(error instanceof Error ? error.message.replaceAll(folder, '') : String(error))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
