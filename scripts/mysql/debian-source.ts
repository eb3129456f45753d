/** Where packages come from and by which keys its lists are signed. */
export type DebianSource = {
  /** As apt takes it, such as a mirror's address or `mirror+file:…`. */
  readonly uri: string;
  /** Absolute path of a keyring; undefined where the machine trusts keys by other ways. */
  readonly signedBy: string | undefined;
};

type Entry = DebianSource & { readonly suites: readonly string[]; readonly components: readonly string[] };

const words = (text: string): readonly string[] => text.split(/\s+/).filter((word) => word !== '');

/** A keyring's path; a key that stands in the file itself is left to the machine. */
const keyringIn = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : words(text).find((word) => word.startsWith('/'));

/** Reads one-line entries: `deb [options] uri suite components`. */
const entriesOfList = (text: string): Entry[] =>
  text.split('\n').flatMap((line) => {
    const [, options = '', uri = '', suite = '', components = ''] =
      /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line) ?? [];
    if (uri === '') return [];
    const signedBy = keyringIn(/(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1]?.replaceAll(',', ' '));
    return [{ uri, signedBy, suites: [suite], components: words(components) }];
  });

/** The fields of a stanza in lower case; lines that begin with a space continue the one before. */
const fieldsOf = (stanza: string): ReadonlyMap<string, string> => {
  const fields = new Map<string, string>();
  let name = '';
  for (const line of stanza.split('\n').filter((text) => !text.startsWith('#'))) {
    const [, field, value = ''] = /^([\w-]+):(.*)$/.exec(line) ?? [];
    if (field !== undefined) name = field.toLowerCase();
    fields.set(name, field === undefined ? `${fields.get(name) ?? ''} ${line.trim()}` : value.trim());
  }
  return fields;
};

/** Reads the stanzas of a `.sources` file. */
const entriesOfSources = (text: string): Entry[] =>
  text.split(/\n\s*\n/).flatMap((stanza) => {
    const fields = fieldsOf(stanza);
    if (!words(fields.get('types') ?? '').includes('deb') || fields.get('enabled')?.toLowerCase() === 'no') return [];
    return words(fields.get('uris') ?? '').map((uri) => ({
      uri,
      signedBy: keyringIn(fields.get('signed-by')),
      suites: words(fields.get('suites') ?? ''),
      components: words(fields.get('components') ?? ''),
    }));
  });

// Others publish packages for Debian under the same suite and component; Debian's own mirrors end like this.
const isArchive = ({ uri, suites, components }: Entry, codename: string): boolean =>
  /\/debian\/?$|\/debian\/\d{8}T\d{6}Z\/?$|^mirror\+/.test(uri) &&
  components.includes('main') &&
  suites.some((suite) => [codename, 'stable', 'testing', 'unstable', 'sid'].includes(suite));

/**
 * The archive of Debian itself among a machine's apt sources; undefined where there is none.
 *
 * @param files what stands in sources.list and sources.list.d, by their names.
 * @param codename of the machine's release, such as `bookworm`.
 */
export const debianSourceIn = (
  files: readonly { readonly name: string; readonly text: string }[],
  codename: string,
): DebianSource | undefined => {
  const entries = files.flatMap(({ name, text }) =>
    name.endsWith('.sources') ? entriesOfSources(text) : entriesOfList(text),
  );
  const archives = entries.filter((entry) => isArchive(entry, codename));
  const best = archives.find(({ signedBy }) => signedBy?.includes('debian-archive-keyring')) ?? archives[0];
  return best === undefined ? undefined : { uri: best.uri, signedBy: best.signedBy };
};
