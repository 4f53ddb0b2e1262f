/**
 * The user's own kubeconfig: a cluster is merged in under its context and made current, and removed again. Everything
 * else in the file stays as it is, including comments.
 */
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { Document, isMap, isSeq, parseDocument, YAMLMap, YAMLSeq } from 'yaml';
import { Failure } from '../host/failure.ts';
import { withLock } from '../host/lock.ts';

export interface KubeconfigEntry {
  /** Name of the context, the cluster and the user. */
  name: string;
  server: string;
  /** PEM. */
  authority: string;
  cert: string;
  key: string;
}

/** Long values on one line, and lists no deeper than their key. */
const asKubectl = { lineWidth: 0, indentSeq: false };

const sections = ['clusters', 'users', 'contexts'] as const;

/** The context of a cluster: `wherry` for the cluster of that name, `wherry-NAME` for others. */
export function contextName(cluster: string): string {
  return cluster === 'wherry' ? 'wherry' : `wherry-${cluster}`;
}

/**
 * The file that kubectl would change: the first of KUBECONFIG, else ~/.kube/config of the user who typed the command.
 */
export function userKubeconfigPath(env: NodeJS.ProcessEnv): string {
  const first = env.KUBECONFIG?.split(delimiter).find((path) => path !== '');
  return first ?? join(sudoUser(env)?.home ?? (env.HOME || homedir()), '.kube', 'config');
}

interface Account {
  home: string;
  userId: number;
  groupId: number;
}

/** Under sudo: the calling user. The cluster needs root; kubectl, which the user will run next, does not. */
export function sudoUser(env: NodeJS.ProcessEnv, accounts = readAccounts()): Account | undefined {
  if (!env.SUDO_USER || env.SUDO_USER === 'root') return undefined;
  const line = accounts.split('\n').find((each) => each.startsWith(`${env.SUDO_USER}:`));
  const [, , userId, groupId, , home] = line?.split(':') ?? [];
  return home ? { home, userId: Number(userId), groupId: Number(groupId) } : undefined;
}

function readAccounts(): string {
  return existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : '';
}

/** A whole file for this entry alone. */
export function renderKubeconfig(entry: KubeconfigEntry): string {
  const document = emptyKubeconfig();
  setEntry(document, entry);
  return document.toString(asKubectl);
}

/** @returns true when the file was changed */
export async function mergeIntoKubeconfig(
  path: string,
  entry: KubeconfigEntry,
  owner?: Account,
): Promise<boolean> {
  const made = missingPaths(path);
  const changed = await changeFile(path, (document) => setEntry(document, entry));
  if (owner) for (const each of made) chownSync(each, owner.userId, owner.groupId);
  return changed;
}

/** The file and missing parent folders: an existing folder keeps its owner. */
function missingPaths(path: string): string[] {
  return existsSync(path) ? [] : [...missingPaths(dirname(path)), path];
}

/** Takes the entry out; a file that Wherry made and that is empty now stays, as kubectl would leave it. */
export async function removeFromKubeconfig(path: string, name: string): Promise<boolean> {
  if (!existsSync(path)) return false;
  return await changeFile(path, (document) => {
    for (const section of sections) {
      const list = document.get(section);
      if (isSeq(list)) list.items = list.items.filter((item) => nameOf(item) !== name);
    }
    if (document.get('current-context') === name) document.set('current-context', '');
  });
}

async function changeFile(path: string, change: (document: Document) => void): Promise<boolean> {
  const target = existsSync(path) ? realpathSync(path) : path;
  mkdirSync(dirname(target), { recursive: true, mode: 0o750 });
  return await withLock(`${target}.lock`, async () => {
    const before = existsSync(target) ? readFileSync(target, 'utf8') : '';
    const document = before.trim() === '' ? emptyKubeconfig() : parseDocument(before);
    if (document.errors.length > 0 || (document.contents !== null && !isMap(document.contents)))
      throw new Failure(`${path} is no kubeconfig: ${document.errors[0]?.message ?? 'it is not a map'}`, {
        advice: 'fix it or move it away, or let KUBECONFIG name another file',
      });
    change(document);
    const after = document.toString(asKubectl);
    if (after === before) return false;
    const temporary = `${target}.wherry`;
    rmSync(temporary, { force: true });
    writeFileSync(temporary, after, { mode: 0o600, flush: true });
    if (existsSync(target)) {
      const { mode, uid, gid } = statSync(target);
      chmodSync(temporary, mode & 0o700);
      chownSync(temporary, uid, gid);
    }
    renameSync(temporary, target);
    return true;
  });
}

function emptyKubeconfig(): Document {
  return new Document({ apiVersion: 'v1', kind: 'Config' });
}

function setEntry(document: Document, entry: KubeconfigEntry): void {
  const { name } = entry;
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  put(document, 'clusters', {
    name,
    cluster: { server: entry.server, 'certificate-authority-data': base64(entry.authority) },
  });
  put(document, 'users', {
    name,
    user: { 'client-certificate-data': base64(entry.cert), 'client-key-data': base64(entry.key) },
  });
  // A namespace that the user chose for the context (kubectl config set-context) is the user's.
  const namespace = contextNamespace(document, name);
  put(document, 'contexts', {
    name,
    context: { cluster: name, user: name, ...(namespace && { namespace }) },
  });
  // A node of its own: in the place of an empty text it would be quoted as that is.
  document.set('current-context', document.createNode(name));
}

function put(
  document: Document,
  section: (typeof sections)[number],
  value: { name: string; [key: string]: unknown },
): void {
  let list = document.get(section);
  if (!isSeq(list)) {
    list = new YAMLSeq();
    document.set(section, list);
  }
  const { items } = list as YAMLSeq;
  // What an empty list, `[]`, becomes is to look as others do.
  if (items.length === 0) (list as YAMLSeq).flow = false;
  const node = document.createNode(value);
  const index = items.findIndex((item) => nameOf(item) === value.name);
  if (index < 0) items.push(node);
  else items[index] = node;
}

function contextNamespace(document: Document, name: string): string | undefined {
  const list = document.get('contexts');
  if (!isSeq(list)) return undefined;
  const item = list.items.find((each) => nameOf(each) === name);
  return item instanceof YAMLMap ? (item.getIn(['context', 'namespace']) as string | undefined) : undefined;
}

function nameOf(item: unknown): unknown {
  return isMap(item) ? item.get('name') : undefined;
}
