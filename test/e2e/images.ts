/** Images for tests, under the names that tutorials use, made of what is on this machine. */
import { writeImageArchive } from '../../src/host/images/archive.ts';
import { busyboxEntries } from '../../src/host/images/rootfs.ts';
import type { TarEntry } from '../../src/host/images/tar.ts';

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A web server at `port` whose page is what `script` prints, fresh for every visitor. */
export async function writeWebImage(
  file: string,
  options: { names: readonly string[]; port: number; script: string },
): Promise<void> {
  // The request is read to the end of its head: closing before would reset the connection.
  const handler = `#!/bin/sh
while read -r line && [ "$line" != "$(printf '\\r')" ]; do :; done
printf 'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n'
${options.script}
`;
  const entrypoint = `#!/bin/sh
echo "serving on port ${options.port}"
trap 'exit 0' TERM
nc -ll -p ${options.port} -e /serve.sh & wait
`;
  const scripts: TarEntry[] = [
    { path: 'serve.sh', mode: 0o755, content: Buffer.from(handler) },
    { path: 'start.sh', mode: 0o755, content: Buffer.from(entrypoint) },
  ];
  writeImageArchive(file, {
    names: options.names,
    config: { Cmd: ['/bin/sh', '/start.sh'], Env: [path], ExposedPorts: { [`${options.port}/tcp`]: {} } },
    files: [...(await busyboxEntries()), ...scripts],
  });
}

/** Plain busybox. */
export async function writeBusyboxImage(file: string, names: readonly string[]): Promise<void> {
  writeImageArchive(file, { names, config: { Cmd: ['sh'], Env: [path] }, files: await busyboxEntries() });
}
