import { type ChannelCredentials, experimental, type ServerCredentials } from '@grpc/grpc-js';
import { type Clock, repeat } from '@tillmesh/clock';
import { counter, type Log, scraped } from '@tillmesh/telemetry';
import { type Certificates, readCertificates } from './read-certificates.ts';

/** Where a process finds what it proves itself with; setting `server.tls`. */
export type TlsSettings = {
  /** With tls.crt, tls.key and ca.crt. */
  readonly folder: string;
  /** The name that all neighbours' certificates have; without it that of the host that is called. */
  readonly serverName?: string | undefined;
};

/**
 * A process among those of the mesh: it shows its certificate to neighbours, as server and as client, and speaks only with such as
 * have one of the same authorities.
 */
export type MeshIdentity = {
  readonly serverName: string | undefined;
  readonly channelCredentials: ChannelCredentials;
  readonly serverCredentials: ServerCredentials;
  /** Reads the files again and again until the signal is aborted: what is new holds for connections from then on. */
  follow(options: { readonly log: Log; readonly signal: AbortSignal; readonly everyMs?: number }): Promise<void>;
};

/** A Secret that was changed is seen by the kubelet after a minute at most; this is not to be long beside it. */
const LOOK_EVERY_MS = 5_000;

const reloads = counter('tillmesh_tls_reloads_total', 'Certificates that were found changed: taken, or refused.', [
  'end',
]);

let endsAtMs: number | undefined;
scraped({
  name: 'tillmesh_tls_certificate_ends_seconds',
  help: 'When the certificate that this process shows its neighbours ends, in seconds since 1970.',
  type: 'gauge',
  read: () => (endsAtMs === undefined ? [] : [{ labels: {}, value: endsAtMs / 1_000 }]),
});

type Listener<Update> = (update: Update | null) => void;

/** grpc-js has a provider of its own that reads files: it drops what it has when one cannot be read, and mixes files of two moments. */
class FittingCertificates implements experimental.CertificateProvider {
  #certificates: Certificates;
  readonly #authorities = new Set<Listener<experimental.CaCertificateUpdate>>();
  readonly #identities = new Set<Listener<experimental.IdentityCertificateUpdate>>();

  constructor(certificates: Certificates) {
    this.#certificates = certificates;
  }

  get certificates(): Certificates {
    return this.#certificates;
  }

  /** Both at once: no connection sees the one without the other. */
  set certificates(certificates: Certificates) {
    this.#certificates = certificates;
    for (const listener of this.#authorities) this.#tellAuthorities(listener);
    for (const listener of this.#identities) this.#tellIdentity(listener);
  }

  addCaCertificateListener(listener: Listener<experimental.CaCertificateUpdate>): void {
    this.#authorities.add(listener);
    // Not at once: grpc-js's server listens before it would hear of it.
    process.nextTick(() => this.#tellAuthorities(listener));
  }

  removeCaCertificateListener(listener: Listener<experimental.CaCertificateUpdate>): void {
    this.#authorities.delete(listener);
  }

  addIdentityCertificateListener(listener: Listener<experimental.IdentityCertificateUpdate>): void {
    this.#identities.add(listener);
    process.nextTick(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: Listener<experimental.IdentityCertificateUpdate>): void {
    this.#identities.delete(listener);
  }

  #tellAuthorities(listener: Listener<experimental.CaCertificateUpdate>): void {
    listener({ caCertificate: this.#certificates.authorities });
  }

  #tellIdentity(listener: Listener<experimental.IdentityCertificateUpdate>): void {
    const { certificate, privateKey } = this.#certificates;
    listener({ certificate, privateKey });
  }
}

const areSame = (a: Certificates, b: Certificates): boolean =>
  a.certificate.equals(b.certificate) && a.privateKey.equals(b.privateKey) && a.authorities.equals(b.authorities);

/**
 * Reads a process's certificates and makes both sides' credentials of them.
 *
 * @throws {Error} naming the file and what to do, where one lacks or they do not fit together.
 */
export const openIdentity = async ({ folder, serverName }: TlsSettings, clock: Clock): Promise<MeshIdentity> => {
  const provider = new FittingCertificates(await readCertificates(folder, clock.nowMs()));
  ({ endsAtMs } = provider.certificates);

  const look = async (log: Log): Promise<void> => {
    const found = await readCertificates(folder, clock.nowMs());
    if (areSame(found, provider.certificates)) return;
    provider.certificates = found;
    ({ endsAtMs } = found);
    reloads.add({ end: 'taken' });
    log.info({ folder, endsAt: new Date(found.endsAtMs).toISOString() }, 'certificates were changed and are used');
  };

  return {
    serverName,
    channelCredentials: experimental.createCertificateProviderChannelCredentials(provider, provider, {}),
    serverCredentials: experimental.createCertificateProviderServerCredentials(provider, provider, true),
    follow: ({ log, signal, everyMs = LOOK_EVERY_MS }) => {
      let refusedFor = '';
      const task = async (): Promise<void> => {
        await look(log);
        refusedFor = '';
      };
      return repeat({
        clock,
        everyMs,
        signal,
        task,
        onError: (error) => {
          const why = error instanceof Error ? error.message : String(error);
          // Once for each fault, not at every look.
          if (why === refusedFor) return;
          refusedFor = why;
          reloads.add({ end: 'refused' });
          log.error({ folder, why }, 'certificates do not fit together; those before are used further');
        },
      });
    },
  };
};
