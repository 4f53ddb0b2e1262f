/** The log files of the node, as served by the kubelet's `/logs/`: folders as lists of links, files as they are. */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { ifMissing } from '../../../base/system/if-missing.ts';

/** How many bytes Go examines to distinguish text from binary data. */
const sniffedBytes = 512;

/** `path`: the part after `/logs`, still encoded. False: there is no such file. */
export async function serveSystemLog(
  folder: string,
  path: string,
  response: ServerResponse,
): Promise<boolean> {
  const within = decodedPath(path);
  if (within === undefined) return false;
  const file = join(folder, within);
  const facts = await stat(file).catch(ifMissing(undefined));
  if (facts?.isDirectory()) {
    if (path.endsWith('/')) return await sendFolder(file, response);
    // Links of a folder are relative: its own path must end with a slash.
    response.writeHead(301, { Location: `${path.slice(path.lastIndexOf('/') + 1) || 'logs'}/` }).end();
    return true;
  }
  // Opening a pipe would wait for a writer.
  return facts?.isFile() ? await sendFile(file, response) : false;
}

/** Never leads above the root. Undefined: it is not a valid path. */
function decodedPath(path: string): string | undefined {
  try {
    const decoded = decodeURIComponent(path);
    return decoded.includes('\0') ? undefined : join('/', decoded);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

async function sendFolder(folder: string, response: ServerResponse): Promise<boolean> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort();
  const lines = names.map((name) => `<a href="${linkTo(name)}">${escaped(name)}</a>\n`);
  const head = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n';
  response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
  response.end(`${head}<pre>\n${lines.join('')}</pre>\n`);
  return true;
}

async function sendFile(path: string, response: ServerResponse): Promise<boolean> {
  const file = await open(path).catch(ifMissing(undefined));
  if (!file) return false;
  try {
    const { size, mtime } = await file.stat();
    response.writeHead(200, {
      'Content-Type': await contentTypeOf(file),
      'Content-Length': size,
      'Last-Modified': mtime.toUTCString(),
    });
    // A log grows while it is read; only as much is sent as was announced.
    if (size === 0) response.end();
    else await pipeline(file.createReadStream({ start: 0, end: size - 1, autoClose: false }), response);
    return true;
  } finally {
    await file.close();
  }
}

async function contentTypeOf(file: FileHandle): Promise<string> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(sniffedBytes), position: 0 });
  return buffer.subarray(0, bytesRead).includes(0) ? 'application/octet-stream' : 'text/plain; charset=utf-8';
}

/** A colon is encoded too: otherwise the start of the name could be parsed as a URL scheme. */
function linkTo(name: string): string {
  return encodeURIComponent(name).replaceAll('%2F', '/');
}

function escaped(text: string): string {
  const codes: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&#34;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => codes[character]!);
}
