/** The kubectls that tests use: the one on the path, and Debian's old one, fetched once into a folder of its own. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { execute } from './test-cluster.ts';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'wherry-test');
const fetchTimeoutMs = 60_000;

/** Debian's package is of Kubernetes 1.20. Undefined where it cannot be had. */
export async function oldKubectl(): Promise<string | undefined> {
  const program = join(cache, 'kubernetes-client', 'usr', 'bin', 'kubectl');
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'download-'));
  try {
    const script = 'apt-get download -q kubernetes-client && dpkg-deb -x kubernetes-client_*.deb unpacked';
    const outcome = await execute('/bin/sh', ['-c', `cd '${folder}' && ${script}`], {
      timeoutMs: fetchTimeoutMs,
    });
    if (outcome.code !== 0 || !readdirSync(folder).includes('unpacked')) return undefined;
    rmSync(dirname(dirname(dirname(program))), { recursive: true, force: true });
    renameSync(join(folder, 'unpacked'), join(cache, 'kubernetes-client'));
    return existsSync(program) ? program : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
