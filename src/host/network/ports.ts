/** Ports of this machine, chosen so that clusters which start at the same time never choose the same. */
import { rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { takeLock } from '../lock.ts';

/** Where the API server of a machine's first cluster listens; further clusters take the next free ones. */
export const firstApiPort = 6443;

export interface PortClaim {
  port: number;
  /** To be called once the port is in use, or no longer wanted. */
  release(): void;
}

/** The first of `candidates` that is free and that no other command is about to use; undefined when none is. */
export async function claimPort(candidates: Iterable<number>): Promise<PortClaim | undefined> {
  for (const port of candidates) {
    const file = join(tmpdir(), `wherry-port-${port}.lock`);
    if (!claim(file)) continue;
    const release = () => rmSync(file, { force: true });
    if (await isPortFree(port)) return { port, release };
    release();
  }
  return undefined;
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Chosen by the system, from a range so large that it will not be given to another process soon after. */
export function anyFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** False when another command that still runs has it, or when it is another user's. */
function claim(file: string): boolean {
  try {
    return takeLock(file) === true;
  } catch (error) {
    if (['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
