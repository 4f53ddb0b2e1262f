import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { freePort } from '../../../base/system/free-ports.fixture.ts';
import { cloneGitRepo, makeGitRepo } from './git-repo.ts';

const hasGit = spawnSync('git', ['--version']).status === 0;

suite('gitRepo volumes', { skip: hasGit ? false : 'git is not installed' }, () => {
  const home = mkdtempSync(join(tmpdir(), 'wherry-git-'));
  let daemon: ChildProcess;
  let url: string;
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', join(home, 'site'), '-c', 'user.name=a', '-c', 'user.email=a@b', ...args], {
      stdio: 'pipe',
    })
      .toString()
      .trim();
  const folder = (name: string) => {
    const made = join(home, name);
    mkdirSync(made);
    return made;
  };

  before(async () => {
    folder('site');
    git('init', '--quiet');
    writeFileSync(join(home, 'site', 'index.html'), 'first');
    git('add', '.');
    git('commit', '--quiet', '-m', 'first');
    git('tag', 'v1');
    writeFileSync(join(home, 'site', 'index.html'), 'second');
    git('commit', '--quiet', '-a', '-m', 'second');
    const port = await freePort();
    url = `git://127.0.0.1:${port}/site`;
    const args = [
      'daemon',
      '--reuseaddr',
      '--listen=127.0.0.1',
      `--port=${port}`,
      '--export-all',
      `--base-path=${home}`,
    ];
    daemon = spawn('git', args, { stdio: 'ignore', detached: true });
    while (!(await answers(port))) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  after(() => {
    process.kill(-daemon.pid!, 'SIGKILL');
    rmSync(home, { recursive: true });
  });

  test("a clone that fails is told with git's words and its exit status, and names no folder of the node", async () => {
    const absent = url.replace('site', 'absent');
    const cloning = cloneGitRepo(folder('none'), { repository: absent, directory: '.' });
    await assert.rejects(cloning, ({ message }: Error) => {
      assert.match(message, new RegExp(`^failed to exec 'git clone -- ${absent} \\.': Cloning into '\\.'`));
      assert.match(message, /: exit status 128$/);
      return !message.includes(home);
    });
  });

  test('a repository is cloned into a folder of its name, one that is named, or the volume itself', async () => {
    await cloneGitRepo(folder('a'), { repository: url });
    assert.equal(readFileSync(join(home, 'a/site/index.html'), 'utf8'), 'second');
    await cloneGitRepo(folder('b'), { repository: url, directory: 'web' });
    assert.ok(existsSync(join(home, 'b/web/index.html')));
    await cloneGitRepo(folder('c'), { repository: url, directory: '.', revision: 'v1' });
    assert.equal(readFileSync(join(home, 'c/index.html'), 'utf8'), 'first');
  });

  test('a clone that is there is not made again, one that failed is', async () => {
    const made = join(home, 'volumes', 'repo');
    await assert.rejects(makeGitRepo(made, { repository: url, revision: 'none' }, undefined), /none/);
    await makeGitRepo(made, { repository: url }, undefined);
    writeFileSync(join(made, 'site/index.html'), 'changed by the pod');
    await makeGitRepo(made, { repository: url }, undefined);
    assert.equal(readFileSync(join(made, 'site/index.html'), 'utf8'), 'changed by the pod');
    assert.deepEqual(readdirSync(join(home, 'volumes')), ['repo']);
  });

  test('an unknown revision, a repository of the node’s own disk, and a name that is an option are refused', async () => {
    await assert.rejects(cloneGitRepo(folder('d'), { repository: url, revision: 'none' }), /none/);
    await assert.rejects(cloneGitRepo(folder('e'), { repository: join(home, 'site') }), /not allowed/);
    await assert.rejects(cloneGitRepo(folder('f'), { repository: '--upload-pack=x' }), /no name/);
  });
});

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
