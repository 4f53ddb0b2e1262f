/**
 * The keys that nobody can make again: what is in a cluster's store, and whom it trusts, depends on them. A cluster that has
 * lost one is not given another in silence.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../failure.ts';
import { encryptionKeysFile, readEncryptionKeys } from './encryption-keys.ts';
import { pkiFiles } from './pki-files.ts';

/** `new`: there is nothing yet that depends on keys, so that missing ones are made. */
export type StoreState = 'new' | 'in use';

export function storeState(file: string): StoreState {
  return (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0 ? 'in use' : 'new';
}

/** @throws Failure which names the file that is lost or damaged, and says what depends on it */
export function checkKeptKeys(folder: string, store: StoreState): void {
  if (store === 'in use') checkNoneIsLost(folder);
  const { authority, frontProxyAuthority, tokenKey } = pkiFiles;
  if (store === 'in use' || existsSync(join(folder, encryptionKeysFile))) readEncryptionKeys(folder);
  for (const name of [authority, frontProxyAuthority]) checkAuthority(folder, name);
  const file = join(folder, `${tokenKey}.key`);
  if (existsSync(file) && !parsed(file, createPrivateKey))
    throw new Failure(`${file} is damaged`, { advice: tokenKeyAdvice(folder) });
}

function checkNoneIsLost(folder: string): void {
  const isThere = (name: string) => existsSync(join(folder, name));
  // An authority of which nothing is there is to be made anew: that is what its advice says.
  for (const name of [pkiFiles.authority, pkiFiles.frontProxyAuthority]) {
    const [lost, left] = isThere(`${name}.key`) ? ['crt', 'key'] : ['key', 'crt'];
    if (isThere(`${name}.${left}`) && !isThere(`${name}.${lost}`))
      throw new Failure(`${join(folder, `${name}.${lost}`)} is missing`, {
        advice: authorityAdvice(folder, name),
      });
  }
  const { tokenKey } = pkiFiles;
  if (isThere(`${tokenKey}.pub`) && !isThere(`${tokenKey}.key`))
    throw new Failure(`${join(folder, `${tokenKey}.key`)} is missing`, { advice: tokenKeyAdvice(folder) });
}

function checkAuthority(folder: string, name: string): void {
  const [certFile, keyFile] = ['crt', 'key'].map((suffix) => join(folder, `${name}.${suffix}`));
  if (!existsSync(certFile!) || !existsSync(keyFile!)) return;
  const advice = authorityAdvice(folder, name);
  const certificate = parsed(certFile!, (pem) => new X509Certificate(pem));
  if (!certificate) throw new Failure(`${certFile} is damaged`, { advice });
  const key = parsed(keyFile!, createPrivateKey);
  if (!key) throw new Failure(`${keyFile} is damaged`, { advice });
  if (!certificate.checkPrivateKey(key))
    throw new Failure(`${keyFile} is not the key of ${certFile}`, { advice });
}

const authorityAdvice = (folder: string, name: string) =>
  `bring both back from a copy; without one, remove ${join(folder, name)}.crt and ${join(folder, name)}.key: all certificates are issued anew then, and other machines must join again`;

const tokenKeyAdvice = (folder: string) =>
  `bring it back from a copy; without one, remove ${join(folder, pkiFiles.tokenKey)}.pub and what is left of the key: pods must be restarted then, as their tokens hold no longer`;

/** Undefined: it is no PEM, or not what is wanted. */
function parsed<Result>(file: string, parse: (pem: string) => Result): Result | undefined {
  const pem = readFileSync(file, 'utf8');
  try {
    return parse(pem);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_')) return undefined;
    throw error;
  }
}
