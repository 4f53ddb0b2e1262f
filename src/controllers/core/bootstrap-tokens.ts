/**
 * Bootstrap tokens: expired ones are deleted, and the others sign `kube-public/cluster-info`, so that a node that has
 * nothing but its token can verify that the kubeconfig there is its cluster's.
 */
import { createHmac } from 'node:crypto';
import { ConfigMap, Secret } from '../../api/resources.gen.ts';
import { instantOf } from '../../api/schema/time.ts';
import { bootstrapTokenType } from '../../api/well-known.ts';
import { defineController, watch } from '../../client/controller/controller.ts';

const tokenNamespace = 'kube-system';
const tokenNamePrefix = 'bootstrap-token-';
const tokenIdPattern = /^[a-z0-9]{6}$/;
const infoKey = 'kube-public/cluster-info';
const signaturePrefix = 'jws-kubeconfig-';

export const bootstrapTokenCleaner = defineController({
  name: 'token_cleaner',
  reconciles: Secret,
  concerns: isToken,
  async reconcile(key, cluster, signal) {
    const secret = cluster.get(Secret, key);
    if (!secret || !isToken(secret) || secret.metadata.deletionTimestamp) return;
    const leftMs = timeLeftMs(secret, cluster.clock.now());
    if (leftMs === undefined) return;
    if (leftMs > 0) return { requeueAfterMs: leftMs };
    const { uid } = secret.metadata;
    await cluster.delete(Secret, secret, signal, { preconditions: { uid } });
  },
});

export const bootstrapSigner = defineController({
  name: 'bootstrap_signer_queue',
  reconciles: ConfigMap,
  watches: [watch(Secret, (secret, old) => (isToken(secret) || (old && isToken(old)) ? [infoKey] : []))],
  concerns: ({ metadata }: ConfigMap) => `${metadata.namespace}/${metadata.name}` === infoKey,
  async reconcile(key, cluster, signal) {
    const info = key === infoKey ? cluster.get(ConfigMap, key) : undefined;
    const secrets = cluster.informer(Secret).inNamespace(tokenNamespace);
    const data = info && planSignatures(info, secrets, cluster.clock.now());
    if (data) await cluster.update(ConfigMap, { ...info, data }, signal);
  },
});

function isToken({ type, metadata }: Secret): boolean {
  return type === bootstrapTokenType && metadata.namespace === tokenNamespace;
}

/** Undefined for a token that does not expire. One with an unreadable expiration has expired. */
export function timeLeftMs(secret: Secret, nowMs: number): number | undefined {
  const expiration = fieldOf(secret, 'expiration');
  if (expiration === '') return undefined;
  return Math.max(0, (instantOf(expiration) ?? 0) - nowMs);
}

function fieldOf({ data }: Secret, name: string): string {
  return Buffer.from(data?.[name] ?? '', 'base64').toString('utf8');
}

/** The data that the ConfigMap should have, with one signature per token; undefined when it has it. */
export function planSignatures(
  { data: before = {} }: ConfigMap,
  secrets: Iterable<Secret>,
  nowMs: number,
): Record<string, string> | undefined {
  if (before.kubeconfig === undefined) return undefined;
  const data = Object.fromEntries(
    Object.entries(before).filter(([name]) => !name.startsWith(signaturePrefix)),
  );
  for (const secret of secrets) {
    const token = signingToken(secret, nowMs);
    if (token) data[signaturePrefix + token.id] = detachedSignature(before.kubeconfig, token);
  }
  return isSameData(before, data) ? undefined : data;
}

interface Token {
  id: string;
  secret: string;
}

function signingToken(secret: Secret, nowMs: number): Token | undefined {
  if (!isToken(secret) || secret.metadata.deletionTimestamp || timeLeftMs(secret, nowMs) === 0)
    return undefined;
  const token = { id: fieldOf(secret, 'token-id'), secret: fieldOf(secret, 'token-secret') };
  const isWhole =
    secret.metadata.name === tokenNamePrefix + token.id &&
    tokenIdPattern.test(token.id) &&
    token.secret !== '';
  return isWhole && fieldOf(secret, 'usage-bootstrap-signing') === 'true' ? token : undefined;
}

/** A JSON web signature (HS256) with detached content: the middle part is left out. */
export function detachedSignature(content: string, { id, secret }: Token): string {
  const header = base64Url(JSON.stringify({ alg: 'HS256', kid: id }));
  const signature = createHmac('sha256', secret)
    .update(`${header}.${base64Url(content)}`)
    .digest('base64url');
  return `${header}..${signature}`;
}

function base64Url(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function isSameData(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
