/** Which name servers a node asks for names outside the cluster. */
import { existsSync, readFileSync } from 'node:fs';

/** Where systemd-resolved keeps the servers that stand behind its own on 127.0.0.53. */
const resolvedFile = '/run/systemd/resolve/resolv.conf';

/** The host's resolv.conf without servers on the host's own loopback, which a node does not reach. */
export function hostResolvConf(read = readIfThere): string {
  const own = read('/etc/resolv.conf');
  const reachable = withoutLoopback(own);
  if (/^nameserver/m.test(reachable) || !/^nameserver/m.test(own)) return reachable;
  return withoutLoopback(read(resolvedFile)) || reachable;
}

function withoutLoopback(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\s*nameserver\s+(127\.|::1\s*$)/.test(line))
    .join('\n');
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
