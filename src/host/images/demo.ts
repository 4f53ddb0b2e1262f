/** The image of the demo: the pinned Node and a page that says which pod has answered. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { DataFolder } from '../data-folder.ts';
import { imageArchitecture, writeImageArchive } from './archive.ts';
import { busyboxEntries, nodeEntries } from './rootfs.ts';

export const demoImage = 'wherry.local/demo:1';
export const demoPort = 8080;

const page = `const http = require('node:http');
const os = require('node:os');
const server = http.createServer((request, response) => response.end("You've hit " + os.hostname() + "\\n"));
server.listen(${demoPort}, () => console.log('demo server starting on port ${demoPort}'));
process.on('SIGTERM', () => process.exit(0));
`;

/** @returns the archive's file; made once per version of Node */
export async function ensureDemoArchive(data: DataFolder): Promise<string> {
  const file = join(data.images, `demo-${imageArchitecture()}-${process.version}.tar`);
  if (existsSync(file)) return file;
  writeImageArchive(file, {
    names: [demoImage],
    config: {
      Entrypoint: ['/usr/local/bin/node', '/app.js'],
      Env: ['PATH=/usr/local/bin:/bin'],
      ExposedPorts: { [`${demoPort}/tcp`]: {} },
    },
    files: [
      ...(await busyboxEntries()),
      ...(await nodeEntries()),
      { path: 'app.js', mode: 0o644, content: Buffer.from(page) },
    ],
  });
  return file;
}
