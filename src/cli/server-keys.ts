/**
 * How the servers on one etcd share their keys: the first creates them and stores them there, sealed under a token that
 * it prints; servers that join with the token read them. Only etcd has to be available for that.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../base/system/replace-file.ts';
import { Failure } from '../host/failure.ts';
import { ensureSharedPki } from '../host/keys/cluster-pki.ts';
import { mergeEncryptionKeys } from '../host/keys/encryption-keys.ts';
import { pkiFiles } from '../host/keys/pki-files.ts';
import {
  hasSharedKeys,
  openKeys,
  readSharedKeys,
  removeSharedKeys,
  type SharedKeys,
  sealedPin,
  sealKeys,
  writeSharedKeys,
} from '../host/keys/shared-keys.ts';
import type { Store, StoredEntry } from '../storage/store.ts';

const sharedKeysAt = '/registry/wherry.dev/server-keys';
/** Shorter tokens are too easily guessed with a copy of the store. */
const tokenCharsMin = 16;

export interface SharedKeyOptions {
  store: Store;
  pkiFolder: string;
  /** Where this server keeps the token. */
  tokenFile: string;
  /** As given by the user. */
  token?: string;
}

/**
 * Makes the keys in `pkiFolder` those of the cluster that uses the store.
 * @returns the token by which others join; undefined when this server has the keys already and was not given the token
 * @throws Failure when the keys here are another cluster's, or when a token is needed that was not given or is wrong
 */
export async function shareServerKeys(options: SharedKeyOptions): Promise<string | undefined> {
  const { store, pkiFolder, tokenFile } = options;
  if (options.token !== undefined && options.token.length < tokenCharsMin)
    throw new Failure(`the token is shorter than ${tokenCharsMin} characters`, {
      advice: `choose one of at least ${tokenCharsMin} characters, or let the first server make it`,
    });
  const token = options.token ?? readIfThere(tokenFile);
  for (;;) {
    const { entry } = await store.get(sharedKeysAt);
    if (entry) return await adoptKeys(options, entry, token);
    const areNew = !hasSharedKeys(pkiFolder);
    await ensureSharedPki(pkiFolder, 'new');
    const made = token ?? randomBytes(16).toString('hex');
    const sealed = sealKeys(readSharedKeys(pkiFolder), made, await pinIn(pkiFolder));
    // Kept before the keys are stored: a token that is lost in between could not be recovered.
    keepToken(tokenFile, made);
    if ((await store.create(sharedKeysAt, sealed)).ok) return made;
    // Another server was quicker: theirs are the cluster's keys.
    if (token === undefined) rmSync(tokenFile, { force: true });
    if (areNew) removeSharedKeys(pkiFolder);
  }
}

async function adoptKeys(
  options: SharedKeyOptions,
  entry: StoredEntry,
  token: string | undefined,
): Promise<string | undefined> {
  const { store, pkiFolder, tokenFile } = options;
  const isOurs = hasSharedKeys(pkiFolder);
  if (isOurs && (await pinIn(pkiFolder)) !== sealedPin(entry.value))
    throw new Failure('this machine has the keys of another cluster than the one in etcd', {
      advice: `remove ${pkiFolder} to join that one, or give this server an etcd of its own`,
    });
  if (token === undefined) {
    if (isOurs) return undefined;
    throw new Failure('the cluster in this etcd has servers already', {
      advice: 'add --token TOKEN: its first server prints the token and keeps it in its file server-token',
    });
  }
  const shared = openKeys(entry.value, token);
  if (!shared)
    throw new Failure('the token is not the one of the cluster in this etcd', {
      advice: 'take it from a server of that cluster: it prints it, and keeps it in its file server-token',
    });
  const keys = isOurs ? mergeEncryptionKeys(readSharedKeys(pkiFolder), shared) : shared;
  writeSharedKeys(pkiFolder, keys);
  await addToStore(store, entry, { keys, shared, token });
  return keepToken(tokenFile, token);
}

/** Shares an encryption key that was added here: `keys` are this server's, `shared` what `entry` holds. Other servers take it when they start. */
async function addToStore(
  store: Store,
  entry: StoredEntry,
  { keys, shared, token }: { keys: SharedKeys; shared: SharedKeys; token: string },
): Promise<void> {
  const all = mergeEncryptionKeys(shared, keys);
  if (JSON.stringify(all) === JSON.stringify(shared)) return;
  const result = await store.update(
    sharedKeysAt,
    sealKeys(all, token, sealedPin(entry.value)),
    entry.modRevision,
  );
  if (!result.ok)
    throw new Failure('two servers have changed the keys at the same time', {
      advice: 'start this one again',
    });
}

async function pinIn(pkiFolder: string): Promise<string> {
  const { authorityPin } = await import('../base/x509/pki.ts');
  return authorityPin(readFileSync(join(pkiFolder, `${pkiFiles.authority}.crt`), 'utf8'));
}

function readIfThere(file: string): string | undefined {
  return (existsSync(file) && readFileSync(file, 'utf8').trim()) || undefined;
}

function keepToken(file: string, token: string): string {
  replaceFile(file, `${token}\n`, 0o600);
  return token;
}
