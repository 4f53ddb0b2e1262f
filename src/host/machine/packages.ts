/** Programs of the machine that nodes need, and the Debian packages that bring them. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CommandError, run } from '../../base/system/command.ts';
import { Failure } from '../failure.ts';

export interface Requirement {
  package: string;
  /** Programs on the search path. */
  programs: readonly string[];
  purpose: string;
}

export const nodeRequirements: readonly Requirement[] = [
  {
    package: 'containerd',
    programs: ['containerd', 'ctr', 'containerd-shim-runc-v2'],
    purpose: 'runs containers',
  },
  { package: 'runc', programs: ['runc'], purpose: 'starts containers' },
  { package: 'nftables', programs: ['nft'], purpose: 'carries the service network' },
  { package: 'conntrack', programs: ['conntrack'], purpose: 'moves UDP clients on when an endpoint goes' },
  { package: 'iproute2', programs: ['ip'], purpose: 'sets up interfaces and routes' },
  { package: 'busybox-static', programs: ['busybox'], purpose: 'is the content of small images' },
];

export const kubectlRequirement: Requirement = {
  package: 'kubernetes-client',
  programs: ['kubectl'],
  purpose: 'is the command line of Kubernetes',
};

/** Where system programs may lie although the path of an ordinary user does not name it. */
const systemFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const installTimeoutMs = 15 * 60_000;
const lockTimeoutSeconds = 120;

export function missingRequirements(
  requirements: readonly Requirement[],
  searchPath = process.env.PATH ?? '',
): Requirement[] {
  const folders = [...searchPath.split(delimiter).filter(Boolean), ...systemFolders];
  const isThere = (program: string) => folders.some((folder) => isExecutable(join(folder, program)));
  return requirements.filter(({ programs }) => !programs.every(isThere));
}

/**
 * Installs the packages by apt, without recommended ones, and without starting their services: Wherry runs its own
 * containerd, and leaves existing software alone.
 * @throws Failure
 */
export async function installPackages(names: readonly string[]): Promise<void> {
  const advice = `install them by hand: apt-get install ${names.join(' ')}`;
  if (missingRequirements([{ package: 'apt', programs: ['apt-get'], purpose: '' }]).length > 0)
    throw new Failure(`${names.join(', ')} are missing, and this system has no apt-get`, {
      advice:
        'install the same programs with the tools of your system (Wherry is tried on Debian and Ubuntu)',
    });
  try {
    await aptGet(['install', '--yes', '--no-install-recommends', ...names]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    // Missing or old package lists are the usual reason: update them, and try again.
    try {
      await aptGet(['update']);
      await aptGet(['install', '--yes', '--no-install-recommends', ...names]);
    } catch (second) {
      if (!(second instanceof CommandError)) throw second;
      throw explainFailure(second, advice);
    }
  }
}

/** While this file says 101, the scripts of packages start no service. */
const servicePolicy = `policy=/usr/sbin/policy-rc.d
if [ -e "$policy" ]; then exec "$@"; fi
trap 'rm -f "$policy"' EXIT
printf '#!/bin/sh\\nexit 101\\n' >"$policy" && chmod 755 "$policy"
"$@"`;

async function aptGet(args: readonly string[]): Promise<void> {
  const command = [
    'apt-get',
    '-q',
    '-o',
    `DPkg::Lock::Timeout=${lockTimeoutSeconds}`,
    '-o',
    'Dpkg::Options::=--force-confold',
    ...args,
  ];
  await run('/bin/sh', ['-c', servicePolicy, 'sh', ...command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
    timeoutMs: installTimeoutMs,
  });
}

/** What apt says when it fails, by cause. */
const failures: readonly { pattern: RegExp; message: string; advice: string }[] = [
  {
    pattern: /Could not get lock|Unable to lock|is another process using it/i,
    message: 'another program (apt, unattended upgrades) holds the package lock',
    advice: 'wait until it has ended and run the command again',
  },
  {
    pattern:
      /Could not resolve|Temporary failure resolving|Failed to fetch|Connection (failed|timed out)|Cannot initiate/i,
    message: 'the package servers cannot be reached',
    advice: 'check the network, or /etc/apt/sources.list and the proxy settings of apt',
  },
  {
    pattern: /Unable to locate package|has no installation candidate/i,
    message: 'the package lists do not know a package that is needed',
    advice: 'enable the "main" (Debian) or "universe" (Ubuntu) section in /etc/apt/sources.list',
  },
  {
    pattern: /dpkg was interrupted|dpkg --configure -a|unmet dependencies|held broken packages/i,
    message: 'the package database of this machine is in a half-finished state',
    advice: 'mend it first: dpkg --configure -a && apt-get --fix-broken install',
  },
  {
    pattern: /No space left/i,
    message: 'the disk is full',
    advice: 'make room (apt-get clean frees the package cache) and run the command again',
  },
];

export function explainFailure(error: CommandError, advice: string): Failure {
  const known = failures.find(({ pattern }) => pattern.test(error.stderr));
  return new Failure(known?.message ?? error.message, { advice: known?.advice ?? advice, cause: error });
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    // Whatever keeps it from being run, it cannot be: the answer to the question.
    return false;
  }
}
