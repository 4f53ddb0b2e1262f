/**
 * Long-running processes that outlive the command that starts them. Each leaves a record (pid and start time, which
 * together never name another process), so that a later command finds, adopts or ends it.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { systemClock } from '../../base/clock.ts';
import { Failure } from '../failure.ts';

export interface ProcessIdentity {
  pid: number;
  /** Clock ticks from boot to the start of the process. */
  startTicks: number;
  bootId: string;
  /** Where the output of this process begins in its log file, after that of earlier ones. */
  logStart?: number;
}

/** Where a process finds its home among the kernel's namespaces and control groups. */
export interface ProcessPlace {
  /** Process whose namespaces (mount, UTS, network, pid) are entered. */
  enterPid?: number;
  /** `cgroup.procs` files that the process is written to before it starts. */
  cgroupProcs?: readonly string[];
}

export interface ProcessOptions extends ProcessPlace {
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  logFile: string;
  recordFile: string;
}

/** A longer log is put aside: here when its process starts, in log-limit.ts while it runs. */
export const logBytesMax = 16 * 1024 * 1024;
/** Where a log is put aside. */
export const logAside = (file: string) => `${file}.1`;
const stopPollMs = 10;
/** More than any record has. */
const recordBytes = 256;

/** Undefined when there is no such process, or only what is left of one (a zombie). */
export function processIdentity(pid: number): ProcessIdentity | undefined {
  if (!hasProc) return canSignal(pid) ? { pid, startTicks: 0, bootId: bootId() } : undefined;
  const stat = readProcessStat(pid);
  if (!stat || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTicks: stat.startTicks, bootId: bootId() };
}

export function isRunning(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && processIdentity(identity.pid)?.startTicks === identity.startTicks;
}

/** The recorded process while it runs; a record of one that is gone is taken away. */
export function runningProcess(recordFile: string): ProcessIdentity | undefined {
  const identity = readRecord(recordFile);
  if (!identity) return undefined;
  if (isRunning(identity)) return identity;
  rmSync(recordFile, { force: true });
  return undefined;
}

/**
 * Kills the process when it cannot be recorded: it would not be found again, and another would be started beside it.
 * @throws the obstacle, such as a full disk
 */
export function recordProcess(recordFile: string, identity: ProcessIdentity): void {
  try {
    const reserved = reserveRecord(recordFile);
    writeFileSync(reserved, JSON.stringify(identity).padEnd(recordBytes), { flag: 'r+' });
    renameSync(reserved, recordFile);
  } catch (error) {
    if (isRunning(identity)) signalProcess(identity, 'SIGKILL');
    throw error;
  }
}

/**
 * This process's own: a command and the server may start the same supervisor at the same time.
 * @returns the file that is to become the record
 * @throws when there is no room for it; one that is written in place of this needs no more
 */
function reserveRecord(recordFile: string): string {
  const reserved = `${recordFile}.${process.pid}.new`;
  mkdirSync(dirname(recordFile), { recursive: true });
  writeFileSync(reserved, ' '.repeat(recordBytes));
  return reserved;
}

/**
 * Starts a process in its own session, detached from this one; its output goes to the log file.
 * @throws Failure when it ends at once
 */
export async function startProcess(options: ProcessOptions): Promise<ProcessIdentity> {
  // Before there is anything to record.
  const reserved = reserveRecord(options.recordFile);
  const log = openLog(options.logFile);
  try {
    const logStart = fstatSync(log).size;
    const [command, ...args] = placedCommand(options);
    const child = spawn(command!, args, {
      detached: true,
      stdio: ['ignore', log, log, 'pipe'],
      ...(options.env && { env: options.env }),
      ...(options.cwd && { cwd: options.cwd }),
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    const announced = text(child.stdio[3] as Readable);
    child.unref();
    const found =
      options.enterPid === undefined
        ? processIdentity(child.pid!)
        : enteredProcess(options.enterPid, Number(await announced));
    if (!found) throw new Failure(`${options.command} ended at once`, { logFile: options.logFile, logStart });
    const identity = { ...found, logStart };
    recordProcess(options.recordFile, identity);
    return identity;
  } finally {
    closeSync(log);
    rmSync(reserved, { force: true });
  }
}

/** The first process of a node ends only after the kernel has ended all others of it, which a busy machine takes time for. */
const killedEndsMs = 30_000;

/** Asks the process to end, insists after `graceMs`, and returns when it is gone. */
export async function stopProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  if (!isRunning(identity)) return;
  signalProcess(identity, 'SIGTERM');
  if (await hasEnded(identity, graceMs)) return;
  signalProcess(identity, 'SIGKILL');
  if (!(await hasEnded(identity, killedEndsMs)))
    throw new Error(`process ${identity.pid} does not end after SIGKILL`);
}

/** Stops what the record names, and takes the record away. */
export async function stopRecorded(recordFile: string, graceMs: number): Promise<void> {
  const identity = runningProcess(recordFile);
  if (identity) await stopProcess(identity, graceMs);
  rmSync(recordFile, { force: true });
}

async function hasEnded(identity: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isRunning(identity)) {
    if (performance.now() >= deadline) return false;
    await systemClock.sleep(stopPollMs);
  }
  return true;
}

/** One that has just ended by itself needs no signal. */
export function signalProcess(identity: Pick<ProcessIdentity, 'pid'>, signal: NodeJS.Signals): void {
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Words that move themselves to the control groups, enter the namespaces and become the command. Inside, the command is
 * left to the first process of the pid namespace, which reaps it: a parent outside that does not would keep the
 * namespace from ending. Its pid there is announced on descriptor 3.
 */
function placedCommand({ command, args, enterPid, cgroupProcs = [] }: ProcessOptions): string[] {
  const announcing = ['setsid', '--fork', '/bin/sh', '-c', 'echo $$ >&3; exec 3>&-; exec "$@"', 'sh'];
  const entering = ['nsenter', '--mount', '--uts', '--net', '--pid', '--target', String(enterPid), '--'];
  const placed = [...(enterPid === undefined ? [] : [...entering, ...announcing]), command, ...args];
  const moves = cgroupProcs.map((file) => `echo 0 >'${file}'`).join(' && ');
  // What runs outside announces nothing and must not hold the descriptor.
  const prepare = [...(moves ? [moves] : []), ...(enterPid === undefined ? ['exec 3>&-'] : [])].join(' && ');
  return prepare ? ['/bin/sh', '-c', `${prepare} && exec "$@"`, 'sh', ...placed] : placed;
}

/** The process that has this pid in the pid namespace of another. */
function enteredProcess(insidePid: number, pid: number): ProcessIdentity | undefined {
  const namespace = readlinkSync(`/proc/${insidePid}/ns/pid`);
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const pids = /^NSpid:\s*(.*)$/m
        .exec(readFileSync(`/proc/${entry}/status`, 'latin1'))?.[1]
        ?.split(/\s+/);
      if (pids?.at(-1) === String(pid) && readlinkSync(`/proc/${entry}/ns/pid`) === namespace)
        return processIdentity(Number(entry));
    } catch (error) {
      // Processes come and go while the list is read.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ESRCH') throw error;
    }
  }
  return undefined;
}

function readRecord(recordFile: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(recordFile, 'utf8')) as ProcessIdentity;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function readProcessStat(pid: number): { state: string; startTicks: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
  // The second field is the program's name in brackets and may hold anything, brackets too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0]!, startTicks: Number(fields[19]) };
}

/** Other systems (which run simulated nodes only) have no /proc: there the pid alone has to do. */
const hasProc = existsSync('/proc/self/stat');

let knownBootId: string | undefined;

function bootId(): string {
  knownBootId ??= hasProc ? readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() : '';
  return knownBootId;
}

function canSignal(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    // It is gone, or another user's: no process of this cluster.
    return false;
  }
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > logBytesMax) renameSync(file, logAside(file));
  return openSync(file, 'a', 0o640);
}
