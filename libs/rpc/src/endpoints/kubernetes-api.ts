import { readFileSync } from 'node:fs';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { systemClock } from '@tillmesh/clock';

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/** A list of slices of one service; 1,000 endpoints have about 400 KB. */
const LIST_BYTES_MAX = 4 * 1_024 * 1_024;
const LINE_CHARS_MAX = 1_024 * 1_024;
const CONNECT_MS_MAX = 3_000;
/** The longest an answer goes on; a watch is asked to end before that. */
const ANSWER_MS_MAX = 330_000;

/** The API of the cluster that this process runs in. */
export type KubernetesApi = {
  /** @throws {Error} where it does not answer 200. */
  read(path: string, signal: AbortSignal): Promise<unknown>;
  /** One JSON value for each line until the server ends it. */
  lines(path: string, signal: AbortSignal): AsyncIterable<unknown>;
};

/** @param authority host:port of an API that needs no token, such as that of `kubectl proxy`; empty for the cluster's own. */
export const kubernetesApi = (authority: string): KubernetesApi => {
  const open = (path: string, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const options = { signal, headers: { accept: 'application/json' } };
      const answered = (response: IncomingMessage): void => {
        notLate();
        // A watch says nothing for as long as nothing changes; one over a connection that is gone without a word says nothing either.
        const notForEver = systemClock.after(ANSWER_MS_MAX, () => response.destroy());
        response.on('close', notForEver);
        if (response.statusCode === 200) return resolve(response);
        response.destroy();
        reject(new Error(`the API of Kubernetes answers ${response.statusCode} to GET ${path.split('?')[0]}`));
      };
      const request =
        authority === ''
          ? requestHttps({ ...inCluster(), ...options, path, headers: { ...options.headers, ...bearer() } }, answered)
          : requestHttp(`http://${authority}${path}`, options, answered);
      const notLate = systemClock.after(CONNECT_MS_MAX, () =>
        request.destroy(new Error(`the API of Kubernetes answers nothing within ${CONNECT_MS_MAX} ms`)),
      );
      request.on('error', (error) => {
        notLate();
        reject(error);
      });
      request.end();
    });

  return {
    read: async (path, signal) => {
      let text = '';
      for await (const chunk of (await open(path, signal)).setEncoding('utf8')) {
        text += String(chunk);
        if (text.length > LIST_BYTES_MAX)
          throw new Error(`the API of Kubernetes answers more than ${LIST_BYTES_MAX} bytes`);
      }
      return JSON.parse(text) as unknown;
    },
    lines: async function* (path, signal) {
      let rest = '';
      for await (const chunk of (await open(path, signal)).setEncoding('utf8')) {
        const parts = (rest + String(chunk)).split('\n');
        rest = parts.pop() ?? '';
        if (rest.length > LINE_CHARS_MAX) throw new Error(`a change has more than ${LINE_CHARS_MAX} characters`);
        for (const part of parts) if (part.trim() !== '') yield JSON.parse(part);
      }
    },
  };
};

const inCluster = () => ({
  host: 'kubernetes.default.svc',
  ca: readFileSync(`${ACCOUNT_FOLDER}/ca.crt`),
});

// Read each time: the kubelet replaces it every hour.
const bearer = () => ({ authorization: `Bearer ${readFileSync(`${ACCOUNT_FOLDER}/token`, 'utf8').trim()}` });
