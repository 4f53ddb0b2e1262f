/**
 * Certificate requests: approved, signed, refused, removed when their time is over, and made again under their names
 * with another key.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { findCondition } from '../../../src/api/conditions.ts';
import type { Draft } from '../../../src/api/meta.ts';
import { CertificateSigningRequest } from '../../../src/api/resources.gen.ts';
import { formatTime } from '../../../src/api/schema/time.ts';
import { isConflict } from '../../../src/api/status.ts';
import { sparse } from '../../../src/base/sparse.fixture.ts';
import { createAuthority, createSigningRequest } from '../../../src/base/x509/pki.ts';
import { type Change, changeOf, type Rule } from './history.ts';
import { find, pick, type Run, remove, type Scenario } from './run-seed.ts';

const signingAuthority = await createAuthority('test');
const kubeletClient = 'kubernetes.io/kube-apiserver-client-kubelet';
const anyClient = 'kubernetes.io/kube-apiserver-client';
const nodeNames = ['n1', 'n2', 'n3'];
const names = [...nodeNames, 'jane', 'joe'];
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const decisions = ['Approved', 'Denied', 'Failed'];
const decidedKeptMs = hourMs;
const undecidedKeptMs = 24 * hourMs;
/** The cleaner comes once an hour. */
const cleanedWithinMs = decidedKeptMs + 1.1 * hourMs;

export const certificates: Scenario = {
  nodes: 0,
  controllers: ['csrapproving', 'csrsigning', 'csrcleaner'],
  pauseMs: 20 * 60_000,
  rounds: 20,
  // As long as the intervals at which the cleaner looks.
  lagMaxMs: 30 * 60_000,
  cluster: { scheduler: false, signingAuthority },
  async begin(run) {
    for (const name of names) await ask(run, name);
  },
  changes: [comeOrGo, comeOrGo, renew, renew, decide, decide, decide],
  async end(run) {
    // What waits for its certificate, after tries that failed, has it before its time is counted.
    await run.clock.advance(minuteMs);
    await realWork();
    await run.clock.advance(cleanedWithinMs);
    for (const name of names)
      if (!(await find(run.client, CertificateSigningRequest, { metadata: { name } }))) await ask(run, name);
  },
  async problems(run) {
    await realWork();
    const { items } = await run.client.list(CertificateSigningRequest);
    return items.flatMap((one) => requestProblems(one, run.clock.now()));
  },
  always: { of: [CertificateSigningRequest], rule: requestsRule },
};

/** Signing is real work in other threads, which virtual time does not wait for: as much of it is done here meanwhile. */
async function realWork(): Promise<void> {
  for (let times = 0; times < 3; times++) await createSigningRequest({ commonName: 'time' });
}

/** A request gets at most one certificate, for its own key, unless it was denied; and it is kept for its time. */
function requestsRule({ asked }: Run): Rule {
  return (change) => {
    const request = changeOf(change, CertificateSigningRequest);
    if (!request) return [];
    const { name } = request.object.metadata;
    if (request.isGone) return asked.has(request.object.metadata.uid) ? [] : removedEarly(request);
    const { certificate, conditions = [] } = request.object.status ?? {};
    const before = request.before?.status?.certificate;
    if (before && certificate !== before) return [`${name}: the certificate changed`];
    if (certificate && findCondition(conditions, 'Denied')) return [`${name}: denied, and signed`];
    if (new Set(conditions.map(({ type }) => type)).size < conditions.length)
      return [`${name}: decided more than once`];
    const isAuto = conditions.some(({ reason }) => reason === 'AutoApproved');
    if (isAuto && unentitled.has(request.object.spec.request))
      return [`${name}: approved without a right to it`];
    if (certificate && !isForKeyOf(request.object, certificate)) return [`${name}: signed for another key`];
    return [];
  };
}

function removedEarly({ object: { metadata, status }, atMs }: Change<CertificateSigningRequest>): string[] {
  const decision = status?.conditions?.find(({ type }) => decisions.includes(type));
  const sinceMs = Date.parse(decision?.lastUpdateTime ?? metadata.creationTimestamp);
  const keptMs = decision ? decidedKeptMs : undecidedKeptMs;
  return atMs - sinceMs < keptMs ? [`${metadata.name} went after ${(atMs - sinceMs) / 1000} s`] : [];
}

function isForKeyOf({ spec }: CertificateSigningRequest, certificate: string): boolean {
  const { publicKey } = new X509Certificate(Buffer.from(certificate, 'base64'));
  return spkiOf(publicKey) === keys.get(spec.request);
}

/** By request, the public key that it is for. */
const keys = new Map<string, string>();
/** Requests that no controller may approve. */
const unentitled = new Set<string>();

function spkiOf(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64');
}

/** `isEntitled`: a node's request is for its own name. */
async function ask({ client }: Run, name: string, { isEntitled = true } = {}): Promise<void> {
  const isNode = nodeNames.includes(name);
  const subject =
    isNode && isEntitled
      ? { commonName: `system:node:${name}`, organizations: ['system:nodes'] }
      : { commonName: name };
  const { request, key } = await createSigningRequest(subject);
  const encoded = Buffer.from(request).toString('base64');
  keys.set(encoded, spkiOf(createPublicKey(key)));
  if (isNode && !isEntitled) unentitled.add(encoded);
  await client.create(
    CertificateSigningRequest,
    sparse<Draft<CertificateSigningRequest>>({
      metadata: { name },
      spec: {
        request: encoded,
        signerName: isNode ? kubeletClient : anyClient,
        usages: ['digital signature', 'client auth'],
      },
    }),
  );
}

async function comeOrGo(run: Run): Promise<void> {
  await realWork();
  const name = pick(run.random, names);
  const present = await find(run.client, CertificateSigningRequest, { metadata: { name } });
  if (present) await remove(run, CertificateSigningRequest, present);
  else await ask(run, name);
}

/** Another takes the name at once, perhaps one to which nobody is entitled. */
async function renew(run: Run): Promise<void> {
  await realWork();
  const name = pick(run.random, names);
  const present = await find(run.client, CertificateSigningRequest, { metadata: { name } });
  if (present) await remove(run, CertificateSigningRequest, present);
  await ask(run, name, { isEntitled: run.random.next() < 0.5 });
}

/** An administrator approves or denies what waits; someone else's faster decision stands. */
async function decide({ client, random, clock }: Run): Promise<void> {
  await realWork();
  const metadata = { name: pick(random, names) };
  const request = await find(client, CertificateSigningRequest, { metadata });
  if (!request || request.status?.conditions) return;
  const now = formatTime(clock.now());
  const decision = {
    type: random.next() < 0.5 ? 'Approved' : 'Denied',
    status: 'True' as const,
    reason: 'ByHand',
    message: '',
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const decided = { ...request, status: { ...request.status, conditions: [decision] } };
  await client
    .update(CertificateSigningRequest, decided, { subresource: 'approval' })
    .catch((error: unknown) => {
      if (!isConflict(error)) throw error;
    });
}

function requestProblems(
  { metadata: { name }, spec, status }: CertificateSigningRequest,
  nowMs: number,
): string[] {
  const { certificate, conditions } = status ?? {};
  const decision = conditions?.find(({ type }) => decisions.includes(type));
  const isOver = decision && nowMs - Date.parse(decision.lastUpdateTime!) > cleanedWithinMs;
  if (isOver) return [`${name} has outlived its time`];
  if (decision?.type === 'Denied') return certificate ? [`${name} is denied, and signed`] : [];
  if (unentitled.has(spec.request)) return certificate ? [`${name} is signed without a right to it`] : [];
  const isWanted = decision !== undefined || nodeNames.includes(name);
  return isWanted && !certificate ? [`${name} has no certificate: ${JSON.stringify(conditions)}`] : [];
}
