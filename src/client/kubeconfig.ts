/** Kubeconfig files: the server of a context, and the credentials for it. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseYamlStrictly } from '../api/schema/body/yaml.ts';
import { misfits, type Shape, withoutNulls } from '../base/text/configuration-shape.ts';
import type { HttpTransportOptions } from './transport/http-transport.ts';

/** An entry of a list: its name, and what it is under a key of its own. */
type Named<Key extends string, Value> = { name: string } & Record<Key, Value>;

interface KubeconfigFile {
  'current-context'?: string;
  clusters?: Named<'cluster', ClusterEntry>[];
  users?: Named<'user', UserEntry>[];
  contexts?: Named<'context', { cluster: string; user: string; namespace?: string }>[];
}

interface ClusterEntry {
  server: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

interface UserEntry {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
}

/** Other content of the file is ignored. */
const shape: Shape = {
  'current-context': 'text',
  clusters: [
    {
      name: 'text',
      cluster: {
        server: 'text',
        'certificate-authority': 'text',
        'certificate-authority-data': 'text',
        'insecure-skip-tls-verify': 'flag',
        'tls-server-name': 'text',
      },
    },
  ],
  users: [
    {
      name: 'text',
      user: {
        'client-certificate': 'text',
        'client-certificate-data': 'text',
        'client-key': 'text',
        'client-key-data': 'text',
        token: 'text',
        tokenFile: 'text',
        username: 'text',
        password: 'text',
      },
    },
  ],
  contexts: [{ name: 'text', context: { cluster: 'text', user: 'text', namespace: 'text' } }],
};

export interface LoadedKubeconfig {
  context: string;
  /** The context's namespace; `default` when it names none. */
  namespace: string;
  connection: HttpTransportOptions;
}

/** @throws Error that says which entry is missing or cannot be read. */
export async function loadKubeconfig(path: string, context?: string): Promise<LoadedKubeconfig> {
  const parsed = parseYamlStrictly(await readFile(path, 'utf8')) ?? {};
  const [misfit] = misfits(shape, parsed);
  if (misfit) throw new Error(`${path}: ${misfit}`);
  const file = withoutNulls(parsed) as KubeconfigFile;
  const name = context ?? file['current-context'] ?? '';
  const chosen = file.contexts?.find((entry) => entry.name === name)?.context;
  if (!chosen) throw new Error(`${path}: there is no context "${name}"`);
  const cluster = file.clusters?.find((entry) => entry.name === chosen.cluster)?.cluster;
  if (!cluster?.server) throw new Error(`${path}: there is no cluster "${chosen.cluster}"`);
  const user = file.users?.find((entry) => entry.name === chosen.user)?.user ?? {};

  const read = (data: string | undefined, from: string | undefined) => {
    if (data) return Buffer.from(data, 'base64');
    return from ? readFile(resolve(dirname(path), from)) : undefined;
  };
  const [ca, cert, key] = await Promise.all([
    read(cluster['certificate-authority-data'], cluster['certificate-authority']),
    read(user['client-certificate-data'], user['client-certificate']),
    read(user['client-key-data'], user['client-key']),
  ]);
  const { token, tokenFile, username, password } = user;
  return {
    context: name,
    namespace: chosen.namespace ?? 'default',
    connection: {
      server: cluster.server,
      ...(ca && { ca }),
      ...(cert && { cert, key }),
      ...(token && { token }),
      ...(tokenFile && { tokenFile: resolve(dirname(path), tokenFile) }),
      ...(username && { basicAuth: { username, password: password ?? '' } }),
      ...(cluster['tls-server-name'] && { serverName: cluster['tls-server-name'] }),
      ...(cluster['insecure-skip-tls-verify'] && { insecureSkipTlsVerify: true }),
    },
  };
}
