/** Asks an API server simple questions while a cluster comes up, without the machinery of a full client. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { pkiFiles } from './keys/pki-files.ts';

export interface ApiProbe {
  /** Undefined when there is no answer. */
  get(path: string): Promise<{ status: number; body: string } | undefined>;
}

const answerTimeoutMs = 5000;

export function apiProbe(options: { host: string; port: number; pkiFolder: string }): ApiProbe {
  const file = (name: string) => readFileSync(join(options.pkiFolder, name));
  const identity = {
    ca: file(`${pkiFiles.authority}.crt`),
    cert: file(`${pkiFiles.admin}.crt`),
    key: file(`${pkiFiles.admin}.key`),
  };
  return {
    get: (path) =>
      new Promise((resolve) => {
        const { host, port } = options;
        const asked = request(
          { host, port, path, ...identity, agent: false, timeout: answerTimeoutMs },
          (answer) => {
            const chunks: Buffer[] = [];
            answer.on('data', (chunk: Buffer) => chunks.push(chunk));
            answer.on('end', () =>
              resolve({ status: answer.statusCode!, body: Buffer.concat(chunks).toString() }),
            );
            answer.on('error', () => resolve(undefined));
          },
        );
        asked.on('timeout', () => asked.destroy());
        asked.on('error', () => resolve(undefined));
        asked.end();
      }),
  };
}
