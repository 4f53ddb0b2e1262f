/**
 * kubectl, a new one and an old one, with all of its usual verbs on real containers. The tests of a suite build on one
 * another, as the commands of a session do: the first makes the namespace and the Deployment `web` that later ones look
 * at and change, so a test that is chosen by its name alone finds nothing to work on.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, type TestContext, test } from 'node:test';
import { writeBusyboxImage, writeWebImage } from './images.ts';
import { oldKubectl } from './kubectls.ts';
import { eventually, expectSuccess, type RunOptions, TestCluster } from './test-cluster.ts';

/** Nothing here takes half as long; a hang shall name its test. */
const testTimeoutMs = 60_000;

const cluster = new TestCluster();
let old: string | undefined;

before(async () => {
  [old] = await Promise.all([oldKubectl(), cluster.up()]);
  const web = join(cluster.home, 'web.tar');
  const tools = join(cluster.home, 'tools.tar');
  const script = 'echo "You have hit $(hostname) v1"';
  await writeWebImage(web, { names: ['test.local/web:1'], port: 8080, script });
  await writeWebImage(join(cluster.home, 'web2.tar'), {
    names: ['test.local/web:2'],
    port: 8080,
    script: 'echo "You have hit $(hostname) v2"',
  });
  await writeBusyboxImage(tools, ['test.local/tools:1']);
  await cluster.wherry('image', 'load', web, join(cluster.home, 'web2.tar'), tools);
});
after(() => cluster.delete());

async function page(url: string): Promise<string> {
  return await (await fetch(url, { signal: AbortSignal.timeout(10_000) })).text();
}

for (const age of ['new', 'old'] as const) {
  suite(`kubectl, the ${age} one`, () => {
    const namespace = `with-${age}`;
    const attempt = (args: readonly string[], options: RunOptions = {}) =>
      cluster.tryKubectl(['-n', namespace, ...args], { ...options, ...(age === 'old' && { kubectl: old! }) });
    const kubectl = (...args: string[]) => expectSuccess(attempt(args), `kubectl ${args.join(' ')}`);
    const withInput = (input: string, ...args: string[]) =>
      expectSuccess(attempt(args, { input }), `kubectl ${args.join(' ')}`);

    /** A command that does not end by itself, and what it has printed so far. */
    const follow = (...args: string[]) => {
      const program = age === 'old' ? old! : 'kubectl';
      const child = spawn(program, ['--context', 'wherry', '-n', namespace, ...args], { env: cluster.env });
      let seen = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        seen += text;
      });
      return {
        prints: (pattern: RegExp) =>
          eventually(
            `kubectl ${args.join(' ')} prints ${pattern}`,
            async () => pattern.exec(seen) ?? undefined,
          ),
        [Symbol.dispose]: () => void child.kill(),
      };
    };

    /** The old one is a package that a machine without a network cannot fetch. */
    function skipped(context: TestContext): boolean {
      if (age === 'new' || old) return false;
      context.skip('the package kubernetes-client cannot be fetched');
      return true;
    }
    const check = (name: string, body: (context: TestContext) => Promise<void>) =>
      test(name, { timeout: testTimeoutMs }, async (context) => {
        if (!skipped(context)) await body(context);
      });

    const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: 'test.local/web:1', ports: [{containerPort: 8080}]}]
`;

    check('create namespace, apply a Deployment, rollout status, and get in every output', async () => {
      await kubectl('create', 'namespace', namespace);
      assert.match(await withInput(deployment, 'apply', '-f', '-'), /deployment.apps\/web created/);
      assert.match(
        await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s'),
        /successfully rolled out/,
      );
      assert.match(await withInput(deployment, 'apply', '-f', '-'), /unchanged/);
      assert.match(await kubectl('get', 'deploy'), /web +2\/2 +2 +2/);
      assert.match(await kubectl('get', 'pods', '-o', 'wide'), /10\.244\.\d+\.\d+ +wherry/);
      assert.match(await kubectl('get', 'deploy', 'web', '-o', 'yaml'), /kind: Deployment/);
      assert.equal(JSON.parse(await kubectl('get', 'deploy', 'web', '-o', 'json')).spec.replicas, 2);
      assert.equal(await kubectl('get', 'deploy', '-o', 'name'), 'deployment.apps/web\n');
      assert.equal(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'), '2');
      const columns = 'NAME:.metadata.name,COUNT:.spec.replicas';
      assert.match(await kubectl('get', 'deploy', '-o', `custom-columns=${columns}`), /NAME +COUNT\nweb +2/);
      assert.match(await kubectl('get', 'pods', '-L', 'tier'), /TIER\n.*front/);
      assert.match(await kubectl('get', 'pods', '--show-labels'), /app=web,pod-template-hash=\w+,tier=front/);
      assert.match(await kubectl('get', 'pods', '-l', 'app in (web,other),tier!=back'), /Running/);
      assert.match(await kubectl('get', 'pods', '--field-selector', 'status.phase=Running'), /Running/);
      assert.match(await kubectl('get', 'deploy', '-A'), new RegExp(`${namespace} +web`));
    });

    check('old versions are shown when they are asked for', async () => {
      await kubectl('autoscale', 'deploy', 'web', '--max=3', '--cpu-percent=80');
      const shown = async (what: string, name: string) =>
        JSON.parse(await kubectl('get', what, name, '-o', 'json')).apiVersion as string;
      assert.equal(await shown('horizontalpodautoscalers.v2beta1.autoscaling', 'web'), 'autoscaling/v2beta1');
      assert.equal(await shown('deployments.v1beta1.extensions', 'web'), 'extensions/v1beta1');
      // Since 1.27 kubectl forgets the version behind a short name; the server has no part in that.
      const expected = age === 'old' ? 'autoscaling/v2beta1' : 'autoscaling/v2';
      assert.equal(await shown('hpa.v2beta1.autoscaling', 'web'), expected);
      await kubectl('delete', 'hpa', 'web');
    });

    check('server-side apply takes fields over only when forced', async () => {
      const own = deployment.replace('replicas: 2', 'replicas: 3');
      const conflict = await attempt(['apply', '--server-side', '--field-manager=other', '-f', '-'], {
        input: own,
      });
      assert.equal(conflict.code, 1);
      assert.match(conflict.stderr, /conflict/);
      await withInput(own, 'apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', '-');
      assert.equal(await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}'), '3');
    });

    check('describe, label, annotate, scale, patch three ways, replace', async () => {
      assert.match(await kubectl('describe', 'deployment', 'web'), /ScalingReplicaSet/);
      const pod = (await kubectl('get', 'pods', '-o', 'name')).split('\n')[0]!;
      await eventually('the pod tells where it runs', async () =>
        /Successfully assigned/.test(await kubectl('describe', pod)),
      );
      await kubectl('label', 'deploy', 'web', 'colour=red');
      await kubectl('annotate', 'deploy', 'web', 'note=hello');
      await kubectl('scale', 'deploy', 'web', '--replicas=1');
      await kubectl('patch', 'deploy', 'web', '-p', '{"spec":{"minReadySeconds":1}}');
      await kubectl('patch', 'deploy', 'web', '--type=merge', '-p', '{"spec":{"revisionHistoryLimit":5}}');
      await kubectl(
        'patch',
        'deploy',
        'web',
        '--type=json',
        '-p',
        '[{"op":"replace","path":"/spec/minReadySeconds","value":0}]',
      );
      const fields =
        '{.spec.replicas} {.spec.minReadySeconds} {.spec.revisionHistoryLimit} {.metadata.labels.colour} {.metadata.annotations.note}';
      assert.match(await kubectl('get', 'deploy', 'web', '-o', `jsonpath=${fields}`), /^1 0? ?5 red hello$/);
      // The controller may write the status in between: what was read is old then, and is read once more.
      await eventually('what was read is put back', async () => {
        const whole = await kubectl('get', 'deploy', 'web', '-o', 'json');
        const { code, stdout, stderr } = await attempt(['replace', '-f', '-'], { input: whole });
        if (code !== 0) assert.match(stderr, /the object has been modified/);
        return /replaced/.test(stdout);
      });
    });

    check('edit changes what the editor changed', async () => {
      const editor = join(cluster.home, `editor-${age}`);
      writeFileSync(editor, '#!/bin/sh\nsed -i s/hello/edited/ "$1"\n', { mode: 0o755 });
      const env = { ...cluster.env, KUBE_EDITOR: editor };
      const context = ['--context', 'wherry', '-n', namespace];
      const { execute } = await import('./test-cluster.ts');
      const program = age === 'old' ? old! : 'kubectl';
      await expectSuccess(execute(program, [...context, 'edit', 'deploy', 'web'], { env }), 'kubectl edit');
      assert.equal(
        await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.metadata.annotations.note}'),
        'edited',
      );
    });

    check('expose, set image, rollout history and undo, with answers from the Service', async () => {
      await kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080');
      await kubectl('run', 'tools', '--image=test.local/tools:1', '--restart=Never', '--', 'sleep', '3600');
      await kubectl('wait', '--for=condition=Ready', 'pod/tools', '--timeout=60s');
      const ask = () => kubectl('exec', 'tools', '--', 'wget', '-q', '-O', '-', 'http://web');
      await eventually('version 1 answers', async () => /v1/.test(await ask()));
      await kubectl('set', 'image', 'deployment/web', 'web=test.local/web:2');
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
      await eventually('version 2 answers', async () => /v2/.test(await ask()));
      assert.match(await kubectl('rollout', 'history', 'deployment/web'), /1 .*\n2 /);
      await kubectl('rollout', 'undo', 'deployment/web');
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
      await eventually('version 1 answers again', async () => /v1/.test(await ask()));
    });

    check('run --rm -i gives the output of the program, and the pod is gone', async () => {
      const said = await withInput(
        '',
        'run',
        'once',
        '--rm',
        '-i',
        '--image=test.local/tools:1',
        '--restart=Never',
        '--',
        'echo',
        'hello there',
      );
      assert.match(said, /hello there/);
      await eventually('the pod is gone', async () => (await attempt(['get', 'pod', 'once'])).code === 1);
    });

    check('run -it whose input is no terminal gives the output and ends', async () => {
      const run = (name: string, input: string, ...command: string[]) => {
        const options = ['--rm', '-it', '--image=test.local/tools:1', '--restart=Never'];
        return withInput(input, 'run', name, ...options, '--', ...command);
      };
      const lookup = await run(
        'asks-dns',
        '',
        'sh',
        '-c',
        'sleep 1; nslookup kubernetes.default.svc.cluster.local',
      );
      assert.match(lookup, /Address: 10\.96\.0\.1\b/);
      assert.match(await run('at-once', '', 'echo', 'said at once'), /said at once/);
      assert.match(await run('shell', 'echo $((20 + 3))\n', 'sh'), /^23\r?$/m);
      assert.match(await run('reader', 'no line', 'cat'), /no line/);
    });

    check('logs: all, tail, since, a container by name, previous, and follow', async () => {
      const counter = 'i=0; while [ $i -lt 5 ]; do echo line $i; i=$((i+1)); done; sleep 1; exit 1';
      await kubectl('run', 'counter', '--image=test.local/tools:1', '--', 'sh', '-c', counter);
      await eventually('it restarted', async () => {
        const count = await kubectl(
          'get',
          'pod',
          'counter',
          '-o',
          'jsonpath={.status.containerStatuses[0].restartCount}',
        );
        return Number(count) > 0;
      });
      assert.match(await kubectl('logs', 'counter', '--previous'), /line 0\nline 1\nline 2\nline 3\nline 4/);
      assert.equal(await kubectl('logs', 'counter', '--previous', '--tail=2'), 'line 3\nline 4\n');
      assert.match(await kubectl('logs', 'counter', '-c', 'counter', '--since=10m'), /line/);
      await kubectl(
        'run',
        'slow',
        '--image=test.local/tools:1',
        '--restart=Never',
        '--',
        'sh',
        '-c',
        'echo one; sleep 2; echo two',
      );
      await kubectl('wait', '--for=condition=Ready', 'pod/slow', '--timeout=60s');
      assert.equal(await kubectl('logs', '-f', 'slow'), 'one\ntwo\n');
    });

    check('exec passes input and exit codes; attach shows what runs', async () => {
      assert.equal(await withInput('through\n', 'exec', '-i', 'tools', '--', 'cat'), 'through\n');
      assert.equal((await attempt(['exec', 'tools', '--', 'sh', '-c', 'exit 7'])).code, 7);
      await kubectl(
        'run',
        'talker',
        '--image=test.local/tools:1',
        '--',
        'sh',
        '-c',
        'while true; do echo talking; sleep 0.2; done',
      );
      await kubectl('wait', '--for=condition=Ready', 'pod/talker', '--timeout=60s');
      using attached = follow('attach', 'talker');
      await attached.prints(/talking/);
    });

    check('exec does not find a container that has ended before its pod', async () => {
      const container = (name: string, command: string) =>
        `{name: ${name}, image: 'test.local/tools:1', command: [sh, -c, '${command}']}`;
      const containers = [
        container('short', 'trap exit TERM; sleep 600 & wait'),
        container('long', 'trap : TERM; while true; do sleep 600; done'),
      ];
      const manifest = `apiVersion: v1
kind: Pod
metadata: {name: ending}
spec: {containers: [${containers}]}`;
      await withInput(manifest, 'create', '-f', '-');
      await kubectl('wait', '--for=condition=Ready', 'pod/ending', '--timeout=30s');
      await kubectl('delete', 'pod', 'ending', '--wait=false');
      // A container that ends between the look at it and the command in it is the runtime's to refuse, in its words.
      await eventually('the short one is not found', async () => {
        const { code, stderr } = await attempt(['exec', 'ending', '-c', 'short', '--', 'true']);
        return code !== 0 && stderr.includes('container not found ("short")');
      });
      await kubectl('exec', 'ending', '-c', 'long', '--', 'true');
      await kubectl('delete', 'pod', 'ending', '--grace-period=0', '--force');
    });

    check('a terminal has the size that the client says', async () => {
      const program = age === 'old' ? old! : 'kubectl';
      const command = `stty rows 33 cols 99; ${program} --context wherry -n ${namespace} exec -it tools -- sh -c 'sleep 0.3; stty size'`;
      const { execute } = await import('./test-cluster.ts');
      const said = await execute('script', ['-qec', command, '/dev/null'], {
        env: cluster.env,
        timeoutMs: 20_000,
      });
      assert.match(said.stdout, /33 99/);
    });

    check('cp carries files and folders in both directions', async () => {
      const folder = join(cluster.home, `copy-${age}`);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'a.txt'), 'some text');
      await kubectl('cp', folder, 'tools:/tmp/there');
      assert.equal(await kubectl('exec', 'tools', '--', 'cat', '/tmp/there/a.txt'), 'some text');
      await kubectl('cp', 'tools:/tmp/there/a.txt', join(folder, 'b.txt'));
      assert.equal(readFileSync(join(folder, 'b.txt'), 'utf8'), 'some text');
    });

    check('port-forward to a Service, and kubectl proxy to pods and services', async () => {
      const localPort = async (command: ReturnType<typeof follow>) =>
        Number((await command.prints(/127\.0\.0\.1:(\d+)/))[1]);
      using forward = follow('port-forward', 'service/web', ':80');
      assert.match(await page(`http://127.0.0.1:${await localPort(forward)}/`), /You have hit web-/);
      using proxy = follow('proxy', '--port=0');
      const base = `http://127.0.0.1:${await localPort(proxy)}/api/v1/namespaces/${namespace}`;
      assert.match(await page(`${base}/services/web/proxy/`), /You have hit web-/);
      const pod = (await kubectl('get', 'pods', '-l', 'app=web', '-o', 'name'))
        .split('\n')[0]!
        .slice('pod/'.length);
      assert.match(await page(`${base}/pods/${pod}:8080/proxy/`), new RegExp(pod));
    });

    check('explain, api-resources, api-versions, cluster-info, version, events, diff', async () => {
      assert.match(await kubectl('explain', 'deployment.spec.replicas'), /integer/);
      assert.match(await kubectl('explain', 'pod.spec.containers'), /image/);
      assert.match(await kubectl('api-resources'), /deployments +deploy +apps\/v1/);
      assert.match(await kubectl('api-versions'), /^apps\/v1$/m);
      assert.match(await kubectl('cluster-info'), /is running at/);
      assert.match(await kubectl('version'), /v1\.36\.4\+wherry/);
      if (age === 'new') assert.match(await kubectl('events'), /ScalingReplicaSet/);
      assert.match(await kubectl('get', 'events'), /Scheduled/);
      const changed = await attempt(['diff', '-f', '-'], {
        input: deployment.replace('replicas: 2', 'replicas: 4'),
      });
      assert.equal(changed.code, 1, changed.stderr);
      assert.match(changed.stdout, /\+ +replicas: 4/);
    });

    check('create job --from=cronjob runs what is due much later', async () => {
      const schedule = ['--schedule', '0 0 29 2 *'];
      await kubectl(
        'create',
        'cronjob',
        'rare',
        '--image=test.local/tools:1',
        ...schedule,
        '--',
        'echo',
        'done',
      );
      // The old one knows no batch/v1 CronJobs.
      const from = age === 'old' ? 'cronjob.v1beta1.batch/rare' : 'cronjob/rare';
      assert.match(await kubectl('create', 'job', 'now', `--from=${from}`), /job.batch\/now created/);
      await kubectl('wait', 'job/now', '--for=condition=complete', '--timeout=50s');
      assert.equal(await kubectl('logs', 'job/now'), 'done\n');
      const owner = 'jsonpath={.metadata.ownerReferences[0].kind}/{.metadata.ownerReferences[0].name}';
      assert.equal(await kubectl('get', 'job', 'now', '-o', owner), 'CronJob/rare');
    });

    check('drain respects budgets, a cordoned node gets no pods, and uncordon lets them back', async () => {
      const replicas = await kubectl('get', 'deploy', 'web', '-o', 'jsonpath={.spec.replicas}');
      await kubectl('create', 'pdb', 'web', '--selector=app=web', `--min-available=${replicas}`);
      const expected = 'jsonpath={.status.expectedPods}';
      await eventually(
        'the budget counts',
        async () => (await kubectl('get', 'pdb', 'web', '-o', expected)) === replicas,
      );
      const drain = ['drain', 'wherry', '--pod-selector=app=web'];
      const kept = await attempt([...drain, '--timeout=3s']);
      assert.notEqual(kept.code, 0);
      assert.match(kept.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
      await kubectl('delete', 'pdb', 'web');

      assert.match(await kubectl(...drain, '--timeout=40s'), /node\/wherry (drained|evicted)/);
      assert.match(await kubectl('get', 'nodes'), /wherry +Ready,SchedulingDisabled/);
      await eventually('new pods wait', async () =>
        /^(web-\S+ +0\/1 +Pending .*\n)+$/.test(
          await kubectl('get', 'pods', '-l', 'app=web', '--no-headers'),
        ),
      );
      assert.match(await kubectl('uncordon', 'wherry'), /node\/wherry uncordoned/);
      await kubectl('rollout', 'status', 'deployment/web', '--timeout=50s');
    });

    check('get -w tells of changes as they happen', async () => {
      using watch = follow('get', 'configmap', '-w', '-o', 'name');
      await watch.prints(/kube-root-ca.crt/);
      await kubectl('create', 'configmap', 'fresh');
      await watch.prints(/configmap\/fresh/);
    });

    check('delete: by file, by label, with grace, orphaning, and all', async () => {
      await kubectl('delete', 'configmap', 'fresh');
      await kubectl('delete', 'pod', 'counter', '--grace-period=0', '--force');
      await kubectl('delete', 'deployment', 'web', age === 'old' ? '--cascade=false' : '--cascade=orphan');
      assert.match(await kubectl('get', 'pods', '-l', 'app=web'), /Running/);
      await kubectl('delete', 'replicaset', '-l', 'app=web');
      await eventually(
        'its pods are gone',
        async () => !(await kubectl('get', 'pods', '-l', 'app=web')).includes('web-'),
      );
      await kubectl('delete', 'pods', '--all', '--grace-period=1');
      await kubectl('delete', 'namespace', namespace, '--timeout=60s');
      assert.equal((await attempt(['get', 'namespace', namespace])).code, 1);
    });
  });
}
