import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it, test } from 'node:test';
import { until } from '../../base/async/until.fixture.ts';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { CommandError } from '../../base/system/command.ts';
import { withoutDescriptors } from '../../base/system/descriptors.fixture.ts';
import { canMakeNetworks, type TestMachine, TestNetwork } from '../network.fixture.ts';
import { createNft, type Nft } from './nft.ts';
import { createNftSession, sessionBytesMax } from './nft-session.ts';

const common = { clock: systemClock, logger: silentLogger };

/** The `nft -i` processes that this test started. */
function sessions(): number[] {
  const lines = execFileSync('ps', ['-o', 'pid=,args=', '--ppid', String(process.pid)], { encoding: 'utf8' });
  return lines
    .split('\n')
    .filter((line) => line.endsWith('nft -i'))
    .map((line) => Number.parseInt(line, 10));
}

describe('nft', { skip: !canMakeNetworks, timeout: 60_000 }, () => {
  const stop = new AbortController();
  let network: TestNetwork;
  let machine: TestMachine;
  let nft: Nft;

  before(async () => {
    network = new TestNetwork();
    machine = await network.node(2);
    nft = createNft({ ...common, enter: machine.enter }, stop.signal);
    await nft.apply('table ip t {\n  map m { type ipv4_addr : ipv4_addr; }\n}\n');
  });
  after(async () => {
    stop.abort();
    await network[Symbol.asyncDispose]();
  });

  const add = (key: string, value: string) => `add element ip t m { ${key} : ${value} }\n`;
  const remove = (key: string) => `delete element ip t m { ${key} }\n`;
  const elements = async () => Object.fromEntries(await nft.listMap('t', 'm'));

  it('carries out small changes by one process, in the order in which they were asked for', async () => {
    await nft.change(add('1.1.1.1', '2.2.2.1'));
    const first = sessions();
    assert.equal(first.length, 1);
    await Promise.all([
      nft.change(remove('1.1.1.1') + add('1.1.1.1', '2.2.2.2')),
      nft.change(remove('1.1.1.1') + add('1.1.1.1', '2.2.2.3')),
      nft.change(add('1.1.1.2', '2.2.2.4')),
    ]);
    assert.deepEqual(await elements(), { '1.1.1.1': '2.2.2.3', '1.1.1.2': '2.2.2.4' });
    assert.deepEqual(sessions(), first);
  });

  it('reports a change that failed, of which nothing is left, and carries out the next', async () => {
    const isRefused = (error: unknown) => error instanceof CommandError && error.code === 1;
    await assert.rejects(nft.change(add('1.1.1.3', '2.2.2.5') + remove('9.9.9.9')), isRefused);
    await assert.rejects(nft.change(add('1.1.1.3', '2.2.2.5') + add('1.1.1.4', '')), isRefused);
    await nft.change(add('1.1.1.5', '2.2.2.6'));
    assert.deepEqual(Object.keys(await elements()).sort(), ['1.1.1.1', '1.1.1.2', '1.1.1.5']);
  });

  it('goes on when the process is killed', async () => {
    const [pid] = sessions();
    process.kill(pid!, 'SIGKILL');
    await nft.change(remove('1.1.1.5'));
    await nft.change(remove('1.1.1.2'));
    assert.deepEqual(await elements(), { '1.1.1.1': '2.2.2.3' });
    assert.notEqual(sessions()[0], pid);
  });

  it('takes a process of its own for a change that is long', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => `3.${index >> 8}.${index & 255}.1 : 4.4.4.4`);
    const text = `add element ip t m { ${many.join(', ')} }\n`;
    assert.ok(text.length > sessionBytesMax);
    await nft.change(text);
    assert.equal(Object.keys(await elements()).length, 1001);
  });

  it('leaves no process behind, and finishes what is under way', async () => {
    const change = nft.change(add('1.1.1.9', '2.2.2.9'));
    stop.abort();
    await change;
    assert.equal((await elements())['1.1.1.9'], '2.2.2.9');
    await until(() => sessions().length === 0);
  });
});

it('carries out a change after one for which no process could be started', async () => {
  const answersAll =
    'while read line; do case $line in end-*) printf "Error: what?\\n$line\\n" >&2;; esac; done';
  const impossible = 'a\0word';
  const enter = [impossible];
  const session = createNftSession({ ...common, enter });
  await assert.rejects(session.run('add table ip t'), { code: 'ERR_INVALID_ARG_VALUE' });
  enter.splice(0, 1, 'sh', '-c', answersAll);
  assert.equal(await session.run('add table ip t'), 'done');
  session.close();
});

it('does not claim that a change was done by a program that is missing, is no nft, or ends half-way', async () => {
  const endsHalfWay = 'read line; read mark; printf "Error: what?\\n$mark\\n" >&2; read line';
  for (const enter of [['/nonexistent'], ['sh', '-c', 'exit 0'], ['sh', '-c', endsHalfWay]]) {
    const session = createNftSession({ ...common, enter });
    assert.equal(await session.run('add table ip t'), 'not known', enter.join(' '));
    session.close();
  }
});

test('an nft that cannot be started for want of descriptors fails its change, and takes no other process down', () => {
  const imports = {
    clocks: new URL('../../base/clock.ts', import.meta.url),
    loggers: new URL('../../base/logger.ts', import.meta.url),
    sessions: new URL('./nft-session.ts', import.meta.url),
  };
  const outcome = withoutDescriptors(
    imports,
    `const options = { clock: clocks.systemClock, logger: loggers.silentLogger, enter: [] };
     return sessions.createNftSession(options).run('list tables');`,
  );
  assert.equal(outcome, 'not known');
});
