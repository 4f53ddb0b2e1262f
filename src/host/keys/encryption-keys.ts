/**
 * The keys that encrypt secrets in a cluster's store: created before the first start, kept with the cluster's other keys.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '../../base/system/if-missing.ts';
import { createFile } from '../../base/system/replace-file.ts';
import { Failure } from '../failure.ts';

/** As storage takes them: the first writes, all of them read. */
export interface EncryptionKey {
  name: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

export const encryptionKeysFile = 'encryption-keys.json';
const keyBytes = 32;

/**
 * To rotate, put `{"name": "key2", "secret": "<32 random bytes in base64>"}` first in the file and start the server again:
 * it rewrites everything with that key, after which the old one may go. With several servers, put it last first, and
 * start all of them again: each must be able to read what the others will write.
 * @throws Failure when the file is missing or holds no proper key.
 */
export function readEncryptionKeys(pkiFolder: string): EncryptionKey[] {
  const file = join(pkiFolder, encryptionKeysFile);
  const unusable = (cause?: Error) =>
    new Failure(`${file} holds no proper key`, {
      advice: 'each key is 32 bytes in base64; bring the file back from a copy',
      ...(cause && { cause }),
    });
  const keys = readKeys(file, unusable);
  if (keys.length === 0 || keys.some(({ secret }) => secret.length !== keyBytes)) throw unusable();
  return keys;
}

function readKeys(file: string, unusable: (cause: Error) => Failure): EncryptionKey[] {
  try {
    return parseKeys(readFileSync(file, 'utf8')).map(({ name, secret }) => ({
      name,
      secret: Buffer.from(secret, 'base64'),
    }));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) throw unusable(error);
    if (!isMissing(error)) throw error;
    throw new Failure(`${file} is missing`, {
      advice: "bring it back from a copy: no other key reads the Secrets in the cluster's store",
      cause: error,
    });
  }
}

/** Makes the file with a first key, unless it is there. */
export function ensureEncryptionKeys(pkiFolder: string): void {
  const file = join(pkiFolder, encryptionKeysFile);
  if (existsSync(file)) return;
  const keys = [{ name: 'key1', secret: randomBytes(keyBytes).toString('base64') }];
  createFile(file, formatKeys(keys), 0o600);
}

/** `own` files, with the keys that only `others` have added at the end: what any server has written can be read. */
export function mergeEncryptionKeys(
  own: Record<string, string>,
  others: Record<string, string>,
): Record<string, string> {
  const keys = parseKeys(own[encryptionKeysFile]!);
  const secrets = new Map(keys.map(({ name, secret }) => [name, secret]));
  const added = parseKeys(others[encryptionKeysFile]!).filter(({ name, secret }) => {
    const known = secrets.get(name);
    if (known !== undefined && known !== secret)
      throw new Failure(`two servers have different keys for secrets under the name ${name}`, {
        advice: `give one of them another name in its ${encryptionKeysFile}`,
      });
    return known === undefined;
  });
  return added.length === 0 ? own : { ...own, [encryptionKeysFile]: formatKeys([...keys, ...added]) };
}

interface StoredKey {
  name: string;
  /** Base64. */
  secret: string;
}

const parseKeys = (text: string) => JSON.parse(text) as StoredKey[];
const formatKeys = (keys: readonly StoredKey[]) => `${JSON.stringify(keys, undefined, 2)}\n`;
