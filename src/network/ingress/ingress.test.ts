import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { EndpointSlice, Ingress, Secret } from '../../api/resources.gen.ts';
import { until } from '../../base/async/until.fixture.ts';
import { createAuthority, issueCertificate } from '../../base/x509/pki.ts';
import { IngressFixture, paths, seen, served, suiteOptions, to } from './ingress.fixture.ts';

describe('the ingress controller', suiteOptions, () => {
  const fixture = new IngressFixture();
  before(() => fixture.start());
  after(() => fixture.stop());

  it('routes by host and path: exact before prefix, the longest prefix first, by whole elements', async () => {
    await fixture.ingress(
      'a',
      paths('a.test', ['/', 'Prefix', 'web'], ['/api', 'Prefix', 'api'], ['/api/exact', 'Exact', 'new']),
    );
    assert.equal(served(await fixture.get('a.test', '/')), 'web-0');
    assert.equal(served(await fixture.get('a.test', '/api')), 'api-0');
    assert.equal(served(await fixture.get('A.test:80', '/api/x?y=1')), 'api-0');
    assert.equal(served(await fixture.get('a.test', '/apix')), 'web-0');
    assert.equal(served(await fixture.get('a.test', '/api/exact')), 'new-0');
    assert.equal(served(await fixture.get('a.test', '/api/exact/more')), 'api-0');
    const unknown = await fixture.get('unknown.test', '/');
    assert.deepEqual([unknown.status, unknown.body], [404, 'default backend - 404']);
  });

  it('knows wildcard hosts of one label, and default backends', async () => {
    await fixture.ingress('wild', paths('*.b.test', ['/', 'Prefix', 'api']));
    assert.equal(served(await fixture.get('x.b.test', '/')), 'api-0');
    assert.equal(served(await fixture.get('x.y.b.test', '/')), 404);
    await fixture.ingress('catch', { defaultBackend: to('new') });
    assert.equal(served(await fixture.get('whoever.test', '/any')), 'new-0');
    fixture.informers.remove(Ingress, 'default/catch');
    await fixture.settled();
  });

  it('shows the address of the node as status, and says what happens by events', () => {
    assert.deepEqual(
      fixture.statuses.find(([name]) => name === 'a'),
      ['a', { status: { loadBalancer: { ingress: [{ ip: '127.0.0.1' }] } } }],
    );
    assert.ok(fixture.events.includes('Normal Sync Scheduled for sync'));
  });

  it('shows its address at all others where one Ingress takes no status', async () => {
    fixture.refuseStatusOf = 'refuses';
    const puts = ['refuses', 'takes'].map((name) =>
      fixture.ingress(name, paths(`${name}.test`, ['/', 'Prefix', 'web'])),
    );
    await until(() => fixture.statuses.some(([name]) => name === 'takes'));
    fixture.refuseStatusOf = undefined;
    await Promise.all(puts);
    assert.ok(fixture.statuses.some(([name]) => name === 'refuses'));
  });

  it('asks for no secret by what cannot be a name: that would never be answered', async () => {
    const asked = mock.method(fixture.informers, 'until');
    for (const secret of ['a,b', 'x=y', 'other/a/b', '../../nodes', 'fine'])
      await fixture.ingress('odd', paths('odd.test', ['/', 'Prefix', 'web']), {
        'auth-type': 'basic',
        'auth-secret': secret,
      });
    assert.equal(asked.mock.callCount(), 1);
    assert.deepEqual([...fixture.informers.followed], ['metadata.name=fine']);
    asked.mock.restore();
    assert.equal((await fixture.get('odd.test', '/')).status, 401);
  });

  it('lets in whom a long list of sources names, and no others', async () => {
    const others = Array.from({ length: 150 }, (_, index) => `10.0.${index}.0/24`);
    const limited = (sources: readonly string[]) =>
      fixture.ingress('sources', paths('sources.test', ['/', 'Prefix', 'web']), {
        'whitelist-source-range': sources.join(','),
      });
    await limited(others);
    assert.equal((await fixture.get('sources.test', '/')).status, 403);
    await limited([...others.slice(0, 75), '127.0.0.1', ...others.slice(75)]);
    assert.equal(served(await fixture.get('sources.test', '/')), 'web-0');
  });

  it("tells servers the client's address and protocol", async () => {
    const { headers } = seen(await fixture.get('a.test', '/', { headers: { 'x-forwarded-for': '6.6.6.6' } }));
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.equal(headers['x-forwarded-host'], 'a.test');
    assert.equal(headers.host, 'a.test');
  });

  it('serves TLS by SNI from secrets, follows their changes, and sends plain requests on', async () => {
    const authority = await createAuthority('test');
    const certificate = async (commonName: string) => {
      const { cert, key } = await issueCertificate(authority, {
        commonName,
        usages: ['server'],
        dnsNames: ['t.test'],
      });
      const data = {
        'tls.crt': Buffer.from(cert).toString('base64'),
        'tls.key': Buffer.from(key).toString('base64'),
      };
      fixture.informers.put(Secret, { metadata: { name: 'cert' }, type: 'kubernetes.io/tls', data });
    };
    await certificate('first');
    await fixture.ingress('tls', {
      ...paths('t.test', ['/', 'Prefix', 'web']),
      tls: [{ hosts: ['t.test'], secretName: 'cert' }],
    });
    assert.equal(served(await fixture.get('t.test', '/', { tls: true })), 'web-0');
    assert.equal(await subjectOf('t.test'), 'first');
    const plain = await fixture.get('t.test', '/x');
    assert.deepEqual([plain.status, plain.headers.location], [308, 'https://t.test/x']);
    await certificate('second');
    await fixture.settled();
    assert.equal(await subjectOf('t.test'), 'second');
    assert.equal(await subjectOf('a.test'), 'Kubernetes Ingress Controller Fake Certificate');
    fixture.informers.put(Secret, {
      metadata: { name: 'cert' },
      data: { 'tls.crt': 'bm8=', 'tls.key': 'bm8=' },
    });
    await fixture.settled();
    assert.equal(served(await fixture.get('a.test', '/')), 'web-0', 'everything else keeps serving');
    assert.ok(
      fixture.events.some((event) =>
        /^Warning InvalidCertificate secret "default\/cert" has a certificate or key that cannot be read/.test(
          event,
        ),
      ),
    );
  });

  async function subjectOf(host: string): Promise<string> {
    const asking = secureRequest({
      host: '127.0.0.1',
      port: fixture.ports.https,
      servername: host,
      headers: { host },
      rejectUnauthorized: false,
      agent: false,
    });
    asking.end();
    const [response] = (await once(asking, 'response')) as [IncomingMessage];
    const { CN } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate().subject;
    response.resume();
    return String(CN);
  }

  it('warns of services and ports that are not there, and answers 503 for them', async () => {
    await fixture.ingress('lost', paths('lost.test', ['/', 'Prefix', 'nobody']));
    assert.equal((await fixture.get('lost.test', '/')).status, 503);
    assert.ok(fixture.events.includes('Warning ServiceNotFound service "default/nobody" does not exist'));
    assert.equal(served(await fixture.get('a.test', '/')), 'web-0');
  });

  it('leaves out an Ingress that claims what an older one serves', async () => {
    await fixture.ingress('late', paths('a.test', ['/api', 'Prefix', 'web']));
    assert.equal(served(await fixture.get('a.test', '/api')), 'api-0');
    assert.ok(
      fixture.events.some((event) =>
        event.includes('host "a.test" and path "/api" are already defined in ingress default/a'),
      ),
    );
  });

  it('follows endpoints without a reload, and drops no request meanwhile', async () => {
    await fixture.ingress('spread', paths('spread.test', ['/', 'Prefix', 'many']));
    const pid = readFileSync(join(fixture.folder, 'run', 'haproxy.pid'), 'utf8');
    const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').at(-1);
    const worker = children();
    const all = [...fixture.informers.of(EndpointSlice).list()]
      .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'many')
      .map(({ ports: list }) => list![0]!.port!);
    const failures: unknown[] = [];
    let isDone = false;
    const load = (async () => {
      while (!isDone) {
        const answer = await fixture.get('spread.test', '/');
        if (answer.status !== 200) failures.push(answer.status);
      }
    })();
    for (let round = 0; round < 20; round++) {
      fixture.put('many', all.slice(round % 2, (round % 2) + 2));
      await fixture.settled();
    }
    isDone = true;
    await load;
    assert.deepEqual(failures, []);
    assert.equal(children(), worker);
    fixture.put('many', all.slice(0, 1));
    await fixture.settled();
    const names = new Set<unknown>();
    for (let index = 0; index < 6; index++) names.add(served(await fixture.get('spread.test', '/')));
    assert.equal(names.size, 1);
  });

  it('asks another server when one hangs up, for requests that may be done twice', async () => {
    let hangUps = 0;
    const dying = createServer((message) => {
      hangUps++;
      message.socket.destroy();
    });
    dying.listen(0, '127.0.0.1');
    await once(dying, 'listening');
    fixture.servers.push(dying);
    const good = createServer((_message, response) => response.end(JSON.stringify({ name: 'good' })));
    good.listen(0, '127.0.0.1');
    await once(good, 'listening');
    fixture.servers.push(good);
    fixture.put(
      'half',
      [dying, good].map((server) => (server.address() as AddressInfo).port),
    );
    await fixture.ingress('half', paths('half.test', ['/', 'Prefix', 'half']));
    for (let index = 0; index < 6; index++) assert.equal(served(await fixture.get('half.test', '/')), 'good');
    assert.ok(hangUps > 0);
    hangUps = 0;
    const posts = [];
    for (let index = 0; index < 6; index++)
      posts.push((await fixture.get('half.test', '/', { body: 'x' })).status);
    assert.ok(posts.includes(502), posts.join());
    assert.equal(hangUps, posts.filter((status) => status === 502).length, 'none was done twice');
  });

  it('drops no request while it reloads', async () => {
    const failures: unknown[] = [];
    let count = 0;
    let isDone = false;
    const load = (async () => {
      while (!isDone) {
        const answer = await fixture.get('a.test', '/').catch((error: Error) => ({ status: error.message }));
        if (answer.status !== 200) failures.push(answer.status);
        count++;
      }
    })();
    for (let round = 0; round < 5; round++)
      await fixture.ingress('reloads', paths(`reload${round}.test`, ['/', 'Prefix', 'web']));
    isDone = true;
    await load;
    assert.deepEqual(failures, []);
    assert.ok(count > 20);
  });

  it('serves the others when a value of one Ingress cannot be configured', async () => {
    await fixture.ingress('broken', paths('broken.test', ['/', 'Prefix', 'web']), {
      'rewrite-target': '/$2',
      'use-regex': 'true',
    });
    await fixture.ingress('fine', paths('fine.test', ['/', 'Prefix', 'web']));
    assert.equal(served(await fixture.get('fine.test', '/')), 'web-0');
  });

  it('starts HAProxy again when it has died', async () => {
    const pid = () => readFileSync(join(fixture.folder, 'run', 'haproxy.pid'), 'utf8');
    const first = pid();
    process.kill(Number(first), 'SIGKILL');
    await until(() => pid() !== first);
    await fixture.settled();
    assert.equal(served(await fixture.get('a.test', '/')), 'web-0');
  });

  it('writes an access log', () => {
    assert.match(readFileSync(fixture.logFile, 'utf8'), /127\.0\.0\.1 - - \[.*\] "GET \/ HTTP\/1\.1" 200 /);
  });
});
