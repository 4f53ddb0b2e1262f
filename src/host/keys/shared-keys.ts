/**
 * The keys that all servers of one cluster share, sealed under a token: without the token the store that holds them
 * reveals nothing, and with it a server needs nothing else.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../base/system/replace-file.ts';
import { Failure } from '../failure.ts';
import { encryptionKeysFile } from './encryption-keys.ts';
import { pkiFiles } from './pki-files.ts';

/** File name → content. */
export type SharedKeys = Record<string, string>;

/** In the order in which they are written: with the last, the set is whole. */
const sharedKeyFiles: readonly string[] = [
  encryptionKeysFile,
  `${pkiFiles.tokenKey}.pub`,
  `${pkiFiles.tokenKey}.key`,
  `${pkiFiles.frontProxyAuthority}.key`,
  `${pkiFiles.frontProxyAuthority}.crt`,
  `${pkiFiles.authority}.key`,
  `${pkiFiles.authority}.crt`,
];

/** What is stored; all but `pin` and `version` in base64. */
interface SealedKeys {
  version: 1;
  /** Of the authority, open to see: a server that has the keys already knows the cluster as its own by it. */
  pin: string;
  salt: string;
  nonce: string;
  tag: string;
  sealed: string;
}

const cipherName = 'aes-256-gcm';
const keyBytes = 32;
const saltBytes = 16;
const nonceBytes = 12;
/** Our tokens have 128 random bits; one chosen by a person justifies a slow key derivation. */
const scryptCost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 1024 * 1024 };

export function sealKeys(keys: SharedKeys, token: string, pin: string): Uint8Array {
  const salt = randomBytes(saltBytes);
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv(cipherName, scryptSync(token, salt, keyBytes, scryptCost), nonce);
  cipher.setAAD(Buffer.from(pin));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(keys), 'utf8'), cipher.final()]);
  const stored: SealedKeys = {
    version: 1,
    pin,
    salt: salt.toString('base64'),
    nonce: nonce.toString('base64'),
    tag: cipher.getAuthTag().toString('base64'),
    sealed: sealed.toString('base64'),
  };
  return Buffer.from(JSON.stringify(stored));
}

/** Undefined when they were sealed under another token. */
export function openKeys(stored: Uint8Array, token: string): SharedKeys | undefined {
  const { pin, salt, nonce, tag, sealed } = parseSealed(stored);
  const bytes = (text: string) => Buffer.from(text, 'base64');
  const decipher = createDecipheriv(
    cipherName,
    scryptSync(token, bytes(salt), keyBytes, scryptCost),
    bytes(nonce),
  );
  decipher.setAAD(Buffer.from(pin));
  decipher.setAuthTag(bytes(tag));
  let text = decipher.update(bytes(sealed), undefined, 'utf8');
  try {
    text += decipher.final('utf8');
  } catch {
    // The one thing that it may say: not sealed with this token.
    return undefined;
  }
  return JSON.parse(text) as SharedKeys;
}

/** The pin of the authority whose keys are sealed. */
export const sealedPin = (stored: Uint8Array) => parseSealed(stored).pin;

function parseSealed(stored: Uint8Array): SealedKeys {
  const value = JSON.parse(Buffer.from(stored).toString()) as SealedKeys;
  if (value.version === 1) return value;
  throw new Failure('the keys in the store were written by a newer version of Wherry', {
    advice: 'use the same version on all servers',
  });
}

export function hasSharedKeys(folder: string): boolean {
  return sharedKeyFiles.every((name) => existsSync(join(folder, name)));
}

export function readSharedKeys(folder: string): SharedKeys {
  return Object.fromEntries(sharedKeyFiles.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

export function writeSharedKeys(folder: string, keys: SharedKeys): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const name of sharedKeyFiles) replaceFile(join(folder, name), keys[name]!, 0o600);
}

export function removeSharedKeys(folder: string): void {
  for (const name of [...sharedKeyFiles].reverse()) rmSync(join(folder, name), { force: true });
}
