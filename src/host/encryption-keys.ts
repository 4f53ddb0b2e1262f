/** The keys by which secrets are encrypted in a cluster's store: made at first start, kept beside the cluster's other keys. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.ts';

/** As storage takes them: the first writes, all of them read. */
export interface EncryptionKey {
  name: string;
  /** 32 bytes. */
  secret: Uint8Array;
}

const fileName = 'encryption-keys.json';
const keyBytes = 32;

/**
 * To rotate, put `{"name": "key2", "secret": "<32 random bytes in base64>"}` first in the file and start the server again:
 * it rewrites everything with that key, after which the old one may go.
 * @throws Failure when the file is there but holds no proper key.
 */
export function readEncryptionKeys(pkiFolder: string): EncryptionKey[] {
  const file = join(pkiFolder, fileName);
  if (!existsSync(file)) {
    const keys = [{ name: 'key1', secret: randomBytes(keyBytes).toString('base64') }];
    writeFileSync(file, `${JSON.stringify(keys, undefined, 2)}\n`, { mode: 0o600, flag: 'wx' });
  }
  const stored = JSON.parse(readFileSync(file, 'utf8')) as { name: string; secret: string }[];
  const keys = stored.map(({ name, secret }) => ({ name, secret: Buffer.from(secret, 'base64') }));
  if (keys.length === 0 || keys.some(({ secret }) => secret.length !== keyBytes)) {
    throw new Failure(`${file} holds no proper key`, {
      advice: 'each key is 32 bytes in base64; bring the file back from a copy',
    });
  }
  return keys;
}
