/** The tutorial "in action", replayed: pods, labels, probes, services, ingress, volumes, configuration, resources. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request as plainRequest } from 'node:http';
import { request as secureRequest } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { createAuthority, issueCertificate } from '../../../src/base/x509/pki.ts';
import { hostAddress } from '../../../src/host/network/link.ts';
import { eventually, TestCluster } from '../test-cluster.ts';
import { loadTutorialImages } from './images.ts';
import {
  busy,
  claim,
  configured,
  controller,
  database,
  fooAndBar,
  fortune,
  gitRepo,
  ingress,
  jobs,
  limits,
  only,
  paths,
  pod,
  provisioned,
  quota,
  services,
  ssdMonitor,
  unhealthy,
  volume,
} from './in-action-manifests.ts';
import { assertPrints, Learner } from './transcript.ts';

suite('in action', () => {
  const cluster = new TestCluster();
  const learner = new Learner(cluster);
  const run = learner.run.bind(learner);
  before(async () => {
    await cluster.up();
    await loadTutorialImages(cluster, [
      'busybox',
      'kubia',
      'kubiaUnhealthy',
      'nginx',
      'fortune',
      'ssdMonitor',
      'batchJob',
    ]);
  });
  after(() => cluster.delete());

  test('pods: create, logs, labels, a node of their choice, annotations, delete', async () => {
    assertPrints(await learner.create(pod('kubia-manual')), ['pod/kubia-manual created']);
    await learner.create(pod('kubia-manual-v2', 'labels: {creation_method: manual, env: prod}'));
    await learner.until('get pods -L creation_method,env', [
      'NAME READY STATUS RESTARTS AGE CREATION_METHOD ENV',
      'kubia-manual 1/1 Running 0 AGE',
      'kubia-manual-v2 1/1 Running 0 AGE manual prod',
    ]);
    assert.equal(await run('logs kubia-manual -c kubia'), 'Kubia server starting...\n');
    await run('label pods kubia-manual creation_method=manual');
    const refused = await learner.attempt('label pods kubia-manual creation_method=manual-v2');
    assert.match(
      refused.stderr,
      /'creation_method' already has a value \(manual\), and --overwrite is false/,
    );
    await learner.create(pod('kubia-gpu', '', 'nodeSelector: {gpu: "true"}'));
    await learner.untilMatch(
      'describe pod kubia-gpu',
      /0\/1 nodes are available: 1 node\(s\) didn't match Pod's node/,
    );
    assertPrints(await run('label node wherry gpu=true'), ['node/wherry labeled']);
    assert.match(await run('get nodes -L gpu'), /GPU\nwherry +Ready .* true\n/);
    await learner.untilMatch('get pod kubia-gpu', /1\/1 +Running/);
    await run(`annotate pod kubia-gpu 'mycompany.com/someannotation=foo bar'`);
    assert.match(
      await run('describe pod kubia-gpu'),
      /^Annotations: +mycompany.com\/someannotation: foo bar$/m,
    );
    assertPrints(await run('delete pods -l creation_method=manual --now'), [
      'pod "kubia-manual" deleted',
      'pod "kubia-manual-v2" deleted',
    ]);
  });

  test('a liveness probe restarts what has gone wrong', async () => {
    await learner.create(unhealthy);
    const description = await learner.untilMatch('describe pod kubia-liveness', /Restart Count: +1\n/);
    assert.match(description, /Last State: +Terminated\n +Reason: +Error\n +Exit Code: +137\n/);
    assert.match(
      description,
      /Liveness: +http-get http:\/\/:8080\/ delay=0s timeout=1s period=1s #success=1 #failure=3/,
    );
    assert.match(description, /Liveness probe failed: HTTP probe failed with statuscode: 500/);
    assert.match(description, /Container kubia failed liveness probe, will be restarted/);
    assert.equal(await run('logs kubia-liveness --previous'), 'Kubia server starting...\n');
    await run('delete pod kubia-liveness --now');
  });

  test('ReplicationController, Service, endpoints, node port: all names lead to the pods', async () => {
    await learner.create(controller);
    await learner.until('get rc', ['NAME DESIRED CURRENT READY AGE', 'kubia 3 3 3 AGE']);
    await learner.create(services);
    const [first = ''] = await learner.podNames('app=kubia');
    for (const name of ['kubia.default.svc.cluster.local', 'kubia.default.svc', 'kubia.default', 'kubia'])
      assert.match(
        await eventually(name, () => run(`exec ${first} -- curl -s -m 5 http://${name}`)),
        /^You've hit kubia-\w{5}\n$/,
      );
    assert.match(await run(`exec ${first} -- cat /etc/resolv.conf`), /nameserver 10\.96\.0\.10\n/);
    await learner.until('get endpoints external-service', [
      'NAME ENDPOINTS AGE',
      'external-service IP:80,IP:80 AGE',
    ]);
    const address = await run('get node wherry -o jsonpath={.status.addresses[0].address}');
    const hit = () =>
      fetch(`http://${address}:30123`, { headers: { connection: 'close' } }).then((r) => r.text());
    assert.match(await eventually('the node port', hit), /^You've hit kubia-/);
    await run('delete pods -l app=kubia --now');
    const [again = ''] = await learner.podNames('app=kubia');
    await run(`wait pod ${again} --for=condition=Ready`);
    assert.match(await run(`exec ${again} -- env`), /^KUBIA_SERVICE_HOST=10\./m);
  });

  test('Ingress: by host, by path, and with TLS', async () => {
    await cluster.wherry('addons', 'enable', 'ingress');
    const address = await run('get node wherry -o jsonpath={.status.addresses[0].address}');
    /** What `curl https://HOST/PATH` prints, HOST being a line of /etc/hosts. */
    const curl = (url: string, ca?: string) =>
      eventually(url, async () => {
        const page = await get(new URL(url), address, ca);
        return page.startsWith("You've hit ") && page;
      });
    assertPrints(await learner.create(ingress(only('kubia.example.com', 'kubia-nodeport'))), [
      'ingress.extensions/kubia created',
    ]);
    const shown = (hosts: string, ports: string) =>
      learner.until('get ingresses', [
        'NAME CLASS HOSTS ADDRESS PORTS AGE',
        `kubia nginx ${hosts} IP ${ports} AGE`,
      ]);
    await shown('kubia.example.com', '80');
    assert.match(await curl('http://kubia.example.com/'), /^You've hit kubia-\w{5}\n$/);

    await run('label pod kubia-gpu app=bar');
    await learner.create(fooAndBar);
    await run('delete ingress kubia');
    await learner.create(ingress(paths('kubia.example.com', { '/foo': 'foo', '/bar': 'bar' })));
    // Until the new Ingress is in force, the old one answers.
    await eventually('/bar leads to the other Service', async () => {
      return (await curl('http://kubia.example.com/bar')) === "You've hit kubia-gpu\n";
    });
    assert.match(await curl('http://kubia.example.com/foo'), /^You've hit kubia-\w{5}\n$/);
    assert.match(await get(new URL('http://kubia.example.com/'), address), /404/);

    await run('delete ingress kubia');
    await learner.create(ingress(only('foo.example.com', 'foo') + only('bar.example.com', 'bar')));
    await shown('foo.example.com,bar.example.com', '80');
    assert.match(await curl('http://foo.example.com/'), /^You've hit kubia-\w{5}\n$/);
    assert.equal(await curl('http://bar.example.com/'), "You've hit kubia-gpu\n");

    const authority = await createAuthority('tutorial');
    const { cert, key } = await issueCertificate(authority, {
      commonName: 'kubia.example.com',
      dnsNames: ['kubia.example.com'],
      usages: ['server'],
    });
    const [certFile, keyFile] = [join(cluster.home, 'tls.cert'), join(cluster.home, 'tls.key')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    assertPrints(await run(`create secret tls tls-secret --cert=${certFile} --key=${keyFile}`), [
      'secret/tls-secret created',
    ]);
    const secured = ingress(
      only('kubia.example.com', 'kubia-nodeport'),
      'tls: [{hosts: [kubia.example.com], secretName: tls-secret}]',
    );
    assertPrints(await learner.apply(secured), ['ingress.extensions/kubia configured']);
    await shown('kubia.example.com', '80, 443');
    assert.match(await curl('https://kubia.example.com/', authority.cert), /^You've hit kubia-\w{5}\n$/);
    await run('delete ingress/kubia secret/tls-secret');
  });

  test('a readiness probe decides which pods a Service has', async () => {
    await run(
      `patch rc kubia -p '{"spec":{"template":{"spec":{"containers":[{"name":"kubia","readinessProbe":{"exec":{"command":["ls","/var/ready"]},"periodSeconds":1}}]}}}}'`,
    );
    await run('delete pods -l app=kubia --now');
    await learner.until('get rc', ['NAME DESIRED CURRENT READY AGE', 'kubia 3 3 0 AGE']);
    await learner.untilMatch('get pods -l app=kubia', /^NAME.*\n(kubia-\w{5} +0\/1 +Running +0 .*\n){3}$/);
    const [first = ''] = await learner.podNames('app=kubia');
    await run(`exec ${first} -- touch /var/ready`);
    await learner.until('get rc', ['NAME DESIRED CURRENT READY AGE', 'kubia 3 3 1 AGE']);
    await learner.until('get endpoints kubia', ['NAME ENDPOINTS AGE', 'kubia IP:8080 AGE']);
  });

  test('delete all --all: the kubernetes Service comes back', async () => {
    await run('delete all --all --now');
    await learner.until('get svc', [
      'NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE',
      'kubernetes ClusterIP IP <none> 443/TCP AGE',
    ]);
  });

  test('DaemonSet by node label, Job, and several pods of one Job', async () => {
    await learner.create(ssdMonitor);
    const header = 'NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE';
    await learner.until('get ds', [header, 'ssd-monitor 0 0 0 0 0 dist=ssd AGE']);
    await run('label node wherry dist=ssd');
    await learner.until('get ds', [header, 'ssd-monitor 1 1 1 1 1 dist=ssd AGE']);
    await run('label node wherry dist=hdd --overwrite');
    await learner.until('get ds', [header, 'ssd-monitor 0 0 0 0 0 dist=ssd AGE']);
    await learner.create(jobs);
    await learner.until('get jobs', [
      'NAME STATUS COMPLETIONS DURATION AGE',
      'batch-job Complete 1/1 AGE AGE',
      'batch-job-more Complete 5/5 AGE AGE',
    ]);
    assert.match(await run('logs -l app=batch-job'), /Batch job starting\n.*Finished succesfully\n$/);
    await run('delete ds,jobs --all');
  });

  test('volumes: shared and empty, claimed and kept, released, provisioned', async () => {
    await learner.create(fortune);
    await eventually('a fortune', async () =>
      /^Fortune of/.test(await run('exec fortune -c web-server -- wget -qO- http://localhost')),
    );
    await learner.create(volume);
    await learner.create(claim);
    const bound = 'mongodb-pvc Bound mongodb-pv 1Gi RWO,ROX <unset> AGE';
    await learner.until('get pvc', [
      'NAME STATUS VOLUME CAPACITY ACCESS MODES STORAGECLASS VOLUMEATTRIBUTESCLASS AGE',
      bound,
    ]);
    await learner.create(database);
    await run('wait pod mongodb --for=condition=Ready');
    await run(`exec mongodb -- sh -c 'echo foo > /data/db/x'`);
    await run('delete pod mongodb --now');
    await learner.create(database);
    await run('wait pod mongodb --for=condition=Ready');
    assert.equal(await run('exec mongodb -- cat /data/db/x'), 'foo\n');
    await run('delete pod mongodb fortune --now');
    await run('delete pvc mongodb-pvc');
    await learner.untilMatch('get pv', /mongodb-pv .* Retain +Released +default\/mongodb-pvc/);
    await learner.create(provisioned);
    await learner.untilMatch('get pvc mongodb-pvc-fast', /Bound +pvc-[-0-9a-f]{36} +100Mi +RWO +fast/);
    await run('delete pvc,pv --all');
  });

  test('a gitRepo volume is a clone, made before the pod starts', {
    skip: spawnSync('git', ['--version']).status === 0 ? false : 'git is not installed',
  }, async () => {
    const node = await run('get node wherry -o jsonpath={.status.addresses[0].address}');
    using served = await serveRepository(hostAddress({ subnet: node.replace(/\.\d+$/, '') }), {
      'index.html': 'Hello there.',
    });
    await learner.create(gitRepo(served.url));
    await run('wait pod gitrepo-volume-pod --for=condition=Ready');
    assert.equal(await run('exec gitrepo-volume-pod -- wget -qO- http://localhost'), 'Hello there.\n');
    await run('delete pod gitrepo-volume-pod --now');
  });

  test('ConfigMaps and Secrets: as variables, as files, and files follow a change', async () => {
    await run('create configmap fortune-config --from-literal=sleep-interval=25');
    assert.match(await run('describe cm fortune-config'), /Data\n====\nsleep-interval:\n----\n25\n/);
    await run('create secret generic fortune-https --from-literal=foo=bar');
    assertPrints(await run('get secrets'), ['NAME TYPE DATA AGE', 'fortune-https Opaque 1 AGE']);
    await learner.create(configured);
    await run('wait pod configured --for=condition=Ready');
    assert.equal(await run('logs configured'), '25 bar\n');
    assert.match(await run('exec configured -- ls -la /config'), /^drwxrwxrwx .* \.$/m);
    assert.match(await run('exec configured -- ls -l /config'), /sleep-interval -> \.\.data\/sleep-interval/);
    await run(`patch cm fortune-config -p '{"data":{"sleep-interval":"30"}}'`);
    await eventually(
      'the change',
      async () => (await run('exec configured -- cat /config/sleep-interval')) === '30',
    );
    await run('delete pod configured --now');
  });

  test('requests, limits, ranges and quotas', async () => {
    await learner.create(busy('requests-pod', 'requests: {cpu: 200m, memory: 10Mi}'));
    const cpus = Number(await run('get node wherry -o jsonpath={.status.allocatable.cpu}'));
    await learner.create(busy('big', `requests: {cpu: ${cpus * 1000 - 100}m}`));
    await learner.untilMatch(
      'describe pod big',
      /FailedScheduling .*0\/1 nodes are available: 1 Insufficient cpu/,
    );
    await run('delete pod requests-pod --now');
    await learner.untilMatch('get pod big', /1\/1 +Running/);
    await run('delete pod big --now');
    await learner.create(limits);
    const refused = await learner.attempt(
      'create -f -',
      busy('requests-pod-4', 'requests: {cpu: 1200m, memory: 2000Mi}'),
    );
    assert.match(
      refused.stderr,
      /requests: Invalid value: "1200m": must be less than or equal to cpu limit of 200m\n.*requests: Invalid value: "2000Mi": must be less than or equal to memory limit of 100Mi/,
    );
    await run('delete limits example');
    await learner.create(quota);
    await learner.untilMatch(
      'describe quota',
      /limits.cpu +0 +600m\nlimits.memory +0 +500Mi\nrequests.cpu +0 +400m\nrequests.memory +0 +200Mi\n/,
    );
    assert.match(
      (await learner.attempt('create -f -', pod('kubia-manual'))).stderr,
      /pods "kubia-manual" is forbidden: failed quota: cpu-add-mem: must specify limits.cpu.*requests.memory/,
    );
    await run('delete quota cpu-add-mem');
  });
});

/** The body of a page of the host that `url` names, which is at `address`; `ca` signed its certificate. */
async function get(url: URL, address: string, ca?: string): Promise<string> {
  const request = url.protocol === 'https:' ? secureRequest : plainRequest;
  const sent = request({
    host: address,
    path: url.pathname,
    servername: url.hostname,
    headers: { host: url.host },
    agent: false,
    signal: AbortSignal.timeout(10_000),
    ...(ca !== undefined && { ca }),
  }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return await text(answer);
}

/** A repository with one commit, on branch master, at a URL of its own. */
async function serveRepository(
  address: string,
  files: Record<string, string>,
): Promise<{ url: string } & Disposable> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-tutorial-git-'));
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
      stdio: 'pipe',
    });
  git('init', '--quiet');
  git('checkout', '--quiet', '-b', 'master');
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  git('update-server-info');
  const server = createServer((request, response) => {
    const file = join(folder, new URL(request.url ?? '/', 'http://x').pathname);
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  }).listen(0, address);
  await once(server, 'listening');
  return {
    url: `http://${address}:${(server.address() as AddressInfo).port}/.git`,
    [Symbol.dispose]: () => {
      server.close();
      rmSync(folder, { recursive: true });
    },
  };
}
