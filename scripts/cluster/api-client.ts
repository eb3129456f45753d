import { request } from 'node:https';
import type { Manifest } from '../chart/render.ts';

/** What an API server answers. */
export type Answer = {
  readonly status: number;
  readonly body: unknown;
  /** What it warns of, in its own words. */
  readonly warnings: readonly string[];
};

/** An object as the API server keeps it. */
export type Kept = { readonly metadata: { readonly name: string; readonly resourceVersion: string } };

/** Speaks with an API server as an administrator. */
export type ApiClient = {
  ask(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer>;
  /** Server-side apply; fields that are not known are refused. */
  apply(manifest: Manifest, namespace: string): Promise<Answer>;
};

const FIELD_MANAGER = 'tillmesh-chart-apply';
const ANSWER_MS_MAX = 30_000;
const APPLY = 'application/apply-patch+yaml';

type Resource = { readonly kind: string; readonly name: string; readonly namespaced: boolean };

/** `299 - "text"`, as RFC 7234 has it. */
const warningsOf = (header: string | readonly string[] | undefined): readonly string[] =>
  [header ?? []]
    .flat()
    .flatMap((value) => [...value.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text));

/** @param options.token of a user that may do everything. */
export const createApiClient = (options: {
  readonly port: number;
  readonly certificate: string;
  readonly token: string;
}): ApiClient => {
  const { port, certificate, token } = options;
  const send = (method: string, path: string, body?: { readonly type: string; readonly text: string }) =>
    new Promise<Answer>((resolve, reject) => {
      const asked = request(
        {
          host: '127.0.0.1',
          port,
          path,
          method,
          ca: certificate,
          signal: AbortSignal.timeout(ANSWER_MS_MAX),
          headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': body.type }) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const isJson = response.headers['content-type']?.startsWith('application/json') === true;
            resolve({
              status: response.statusCode ?? 0,
              body: isJson ? (JSON.parse(text) as unknown) : text,
              warnings: warningsOf(response.headers.warning),
            });
          });
        },
      );
      asked.on('error', reject);
      asked.end(body?.text);
    });

  const groups = new Map<string, Promise<readonly Resource[]>>();
  const groupPath = (apiVersion: string): string =>
    apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const resourcesOf = (apiVersion: string): Promise<readonly Resource[]> => {
    const known = groups.get(apiVersion);
    if (known !== undefined) return known;
    const asked = send('GET', groupPath(apiVersion)).then(({ status, body }) =>
      status === 200 ? (body as { readonly resources: readonly Resource[] }).resources : [],
    );
    groups.set(apiVersion, asked);
    return asked;
  };

  return {
    ask: (method, path, body) =>
      send(method, path, body === undefined ? undefined : { type: 'application/json', text: JSON.stringify(body) }),
    apply: async (manifest, namespace) => {
      const { apiVersion, kind, metadata } = manifest;
      const resource = (await resourcesOf(apiVersion)).find((each) => each.kind === kind && !each.name.includes('/'));
      if (resource === undefined) {
        return { status: 404, body: { message: `this API server has no ${kind} of ${apiVersion}` }, warnings: [] };
      }
      const place = resource.namespaced ? `/namespaces/${namespace}` : '';
      const question = `fieldManager=${FIELD_MANAGER}&fieldValidation=Strict`;
      const path = `${groupPath(apiVersion)}${place}/${resource.name}/${metadata.name}?${question}`;
      return send('PATCH', path, { type: APPLY, text: JSON.stringify(manifest) });
    },
  };
};
