import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as core from '../../../api/types/core-v1.gen.ts';
import { sparse } from '../../../base/sparse.fixture.ts';
import { testPod } from '../../pod.fixture.ts';
import { computePayload } from './payload.ts';
import type { TokenSource } from './token-source.ts';

const objects: Record<string, object> = {
  cm: { data: { a: '1', b: '2' }, binaryData: { raw: Buffer.from([255, 0]).toString('base64') } },
  sec: { data: { s: Buffer.from('x').toString('base64') } },
};

async function filesOf(
  volume: Partial<core.Volume>,
  spec: Partial<core.PodSpec> = {},
): Promise<Record<string, string>> {
  const pod = testPod(spec);
  pod.metadata.labels = { app: 'web' };
  const payload = await computePayload(
    { name: 'v', ...volume },
    {
      pod,
      objects: {
        get: async (_type: unknown, at: { name: string }) => objects[at.name] as never,
        select: async () => [],
      },
      tokens: sparse<TokenSource>({ tokenFor: async () => 'token' }),
      node: { nodeName: 'n', hostIps: [], allocatable: {} },
    },
  );
  return Object.fromEntries(
    [...payload!].map(([path, { data, mode, uid }]) => [
      path,
      `${Buffer.from(data).toString('latin1')} ${mode.toString(8)}${uid === undefined ? '' : ` of ${uid}`}`,
    ]),
  );
}

test('a source that this node cannot serve is refused, not left out', async () => {
  const sources = [{ podCertificate: { signerName: 'example.com/s', keyType: 'ED25519' } }];
  await assert.rejects(
    filesOf({ projected: { sources } }),
    /^Error: podCertificate sources are not supported/,
  );
});

test('configMap, secret, downwardAPI and projected volumes have the files that they name', async () => {
  assert.deepEqual(await filesOf({ configMap: { name: 'cm' } }), {
    a: '1 644',
    b: '2 644',
    raw: '\xff\0 644',
  });
  const items = [{ key: 'a', path: 'x/y', mode: 0o400 }];
  assert.deepEqual(await filesOf({ configMap: { name: 'cm', items } }), { 'x/y': '1 400' });
  assert.deepEqual(await filesOf({ secret: { secretName: 'sec', defaultMode: 0o400 } }), { s: 'x 400' });
  const sources = [
    { secret: { name: 'sec' } },
    { serviceAccountToken: { path: 'token' } },
    { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
  ];
  assert.deepEqual(await filesOf({ projected: { sources } }), {
    s: 'x 644',
    token: 'token 644',
    labels: 'app="web" 644',
  });
});

test('a token is of the user that all containers run as, and only for the user and the group of the pod', async () => {
  const projected = { sources: [{ serviceAccountToken: { path: 'token' } }] };
  const tokenOf = async (spec: Partial<core.PodSpec>) => (await filesOf({ projected }, spec)).token;
  const container = { name: 'c', image: 'img:1' };
  const other = { ...container, name: 'd', securityContext: { runAsUser: 2000 } };
  const rows: [Partial<core.PodSpec>, string][] = [
    [{}, 'token 644'],
    [{ securityContext: { runAsUser: 1000 } }, 'token 600 of 1000'],
    [{ securityContext: { fsGroup: 10000 } }, 'token 600'],
    [{ securityContext: { runAsUser: 1000, fsGroup: 10000 } }, 'token 600 of 1000'],
    [{ containers: [other] }, 'token 600 of 2000'],
    [{ containers: [container, other] }, 'token 644'],
  ];
  for (const [spec, expected] of rows) assert.equal(await tokenOf(spec), expected, JSON.stringify(spec));
});

test('a missing object is an error in upstream’s words, unless it is optional', async () => {
  await assert.rejects(filesOf({ configMap: { name: 'later' } }), { message: 'configmap "later" not found' });
  await assert.rejects(filesOf({ secret: { secretName: 'none' } }), { message: 'secret "none" not found' });
  const sources = [
    { configMap: { name: 'later' } },
    { secret: { name: 'sec' } },
    { secret: { name: 'none' } },
  ];
  await assert.rejects(filesOf({ projected: { sources } }), {
    message: '[configmap "later" not found, secret "none" not found]',
  });
  await assert.rejects(filesOf({ configMap: { name: 'cm', items: [{ key: 'nokey', path: 'p' }] } }), {
    message: 'configmap references non-existent config key: nokey',
  });
  assert.deepEqual(await filesOf({ configMap: { name: 'later', optional: true } }), {});
});
