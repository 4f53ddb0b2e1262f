/** The tasks behind `npm start`, `npm test`, `npm run check` and `npm run bench`; bootstrap.mjs starts it with the pinned Node. */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serverNodeFlags } from '../src/host/cluster/cluster-context.ts';
import { obstacleToRealNodes } from '../src/host/machine/machine.ts';
import {
  installPackages,
  kubectlRequirement,
  missingRequirements,
  nodeRequirements,
  type Requirement,
} from '../src/host/machine/packages.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string) => join(root, 'node_modules', '.bin', name);

const checks: readonly { title: string; command: readonly string[] }[] = [
  { title: 'types', command: [bin('tsc'), '-p', '.'] },
  { title: 'lint and format', command: [bin('biome'), 'check', '--error-on-warnings', '.'] },
  { title: 'layers', command: [process.execPath, 'scripts/check-layers.mjs'] },
];

/** What only tests need; those that do are left out, and say so, where these cannot be had. */
const testRequirements: readonly Requirement[] = [
  { package: 'etcd-server', programs: ['etcd'], purpose: 'is the store of several servers' },
  { package: 'haproxy', programs: ['haproxy'], purpose: 'carries the traffic of Ingresses' },
];

/** A file of tests that takes longer hangs: it fails with its name instead of holding up the rest. */
const testTimeoutMs = 10 * 60_000;

/** Files of end-to-end tests have clusters of their own: more at once than cores take no less time, and miss time limits. */
const sideBySide = [`--test-concurrency=${Math.max(2, Math.min(4, availableParallelism()))}`];

/** What goes on beside others does so one after the other: end-to-end tests that mostly wait for time limits, for instance. */
const oneByOne = ['--test-concurrency=1'];

/** End-to-end tests mostly wait, but within time limits: what calculates beside them leaves them the machine when they need it. */
const yielding = ['nice', '-n', '10'];

/** Compiled once, as clusters are: for all files of tests, and the clusters that they make, a third of the calculating time. */
const compiledEnvironment = {
  ...process.env,
  NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compile-cache'),
};

/** More than one, as some tests wait. */
const sharesPerCore = 2;

/** More files than these that fail are no accident. */
const mostFilesToRepeat = 3;

/** Runs tests with options by which the files that fail are listed, each run in a list of its own. */
type Listing = (run: (options: readonly string[]) => Promise<number>) => Promise<number>;

const unitTests = filesOf(['src/**/*.test.ts']);
const clusterTests = filesOf(['test/cluster/**/*.test.ts', 'test/parity/**/*.test.ts']);
const endToEndTests = filesOf(['test/e2e/*.test.ts', 'test/e2e/tutorials/*.test.ts']);
const waitingEndToEndTests = filesOf(['test/e2e/waits/*.test.ts']);

const tasks: Record<string, (args: readonly string[]) => Promise<number>> = {
  start: (args) => runCommand([process.execPath, 'src/cmd/wherry.ts', 'start', ...args]),
  check: async () => (await runChecks()) || (await runSharing(unitTests, (run) => run([]))),
  test: async (args) => {
    const [failed, canRunContainers] = await Promise.all([runChecks(), prepareForContainers()]);
    if (failed !== 0) return failed;
    return await runAllTests(args, canRunContainers);
  },
  bench: (args) => runCommand([process.execPath, 'bench/main.ts', ...args]),
  'bench:dns': (args) => runBenchmark('dns', args),
  'bench:floor': (args) => runBenchmark('floor', args),
  'bench:many-objects': (args) => runBenchmark('many-objects', args),
  'bench:scheduler': (args) => runBenchmark('scheduler', args),
  'bench:service-proxy': (args) => runBenchmark('service-proxy', args),
  'bench:workloads': (args) => runBenchmark('workloads', args),
};

const [name = '', ...args] = process.argv.slice(2);
const task = tasks[name];
if (!task) {
  console.error(`there is no task "${name}"; there are: ${Object.keys(tasks).join(', ')}`);
  process.exit(2);
}
process.exitCode = await task(args);

/** All of them, even after one has failed: a developer wants to see all failures. */
async function runChecks(): Promise<number> {
  const codes = await Promise.all(
    checks.map(async ({ title, command }) => {
      const startMs = performance.now();
      const { code, output } = await capture(command);
      console.log(
        ` ${code === 0 ? '✓' : '✗'} ${title.padEnd(20)} ${((performance.now() - startMs) / 1000).toFixed(1)} s`,
      );
      if (code !== 0) console.log(output);
      return code;
    }),
  );
  return codes.find((code) => code !== 0) ?? 0;
}

/**
 * On a machine that is busy with other work, a test of whole clusters may miss one of Kubernetes' own time limits, such
 * as a probe's timeout. So a few files that failed are run again, alone: that result counts, and the first is reported.
 */
async function runAllTests(args: readonly string[], canRunContainers: boolean): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-test-'));
  const failed = new Set<string>();
  let runs = 0;
  let isUnclear = false;
  const listing: Listing = async (run) => {
    const list = join(folder, `${runs++}`);
    const code = await run([...listFailures(list), ...args]);
    const files = existsSync(list) ? readFileSync(list, 'utf8').split('\n').filter(Boolean) : [];
    for (const file of files) failed.add(file);
    // It ended before it said which, or the test is one that several files share.
    if (code !== 0 && (files.length === 0 || files.some((file) => !file.endsWith('.test.ts'))))
      isUnclear = true;
    return code;
  };
  try {
    const calculating = [...unitTests, ...clusterTests];
    const codes = canRunContainers
      ? await Promise.all([
          listing((more) => runTests(endToEndTests, [...sideBySide, ...more])),
          listing((more) => runAside(waitingEndToEndTests, [...oneByOne, ...more])),
          runSharing(calculating, listing, yielding),
        ])
      : [await runSharing(calculating, listing)];
    const code = codes.find((each) => each !== 0) ?? 0;
    return code && !isUnclear ? await repeatFailed(failed, args, code) : code;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * To start a process for each of some hundred files, and to load Wherry in it, takes longer than to run them: they share
 * a few, beside those that need a process to themselves. `prefix`: of the command, such as one that lowers its priority.
 */
async function runSharing(
  files: readonly string[],
  listing: Listing,
  prefix: readonly string[] = [],
): Promise<number> {
  const [alone, sharing] = [files.filter(needsOwnProcess), files.filter((file) => !needsOwnProcess(file))];
  const sharesCount = Math.min(sharesPerCore * availableParallelism(), sharing.length);
  const runs = Array.from({ length: sharesCount }, (_, share) => ({
    files: sharing.filter((_, index) => index % sharesCount === share),
    options: ['--test-isolation=none'],
  }));
  // Without any file, Node would look for tests itself.
  if (alone.length > 0) runs.push({ files: alone, options: [...oneByOne] });
  const codes = await Promise.all(
    runs.map((run) => listing((more) => runAside(run.files, [...run.options, ...more], prefix))),
  );
  return codes.find((code) => code !== 0) ?? 0;
}

/**
 * Hooks outside of a suite would be for the tests of all files in the process, as would V8's flags. `after` is none of
 * them: what it removes may stay until all tests are done.
 */
function needsOwnProcess(file: string): boolean {
  return /^(before|beforeEach|afterEach)\(|^setFlagsFromString\(/m.test(
    readFileSync(join(root, file), 'utf8'),
  );
}

async function repeatFailed(
  failed: ReadonlySet<string>,
  args: readonly string[],
  code: number,
): Promise<number> {
  if (failed.size > mostFilesToRepeat) return code;
  const names = [...failed].map((file) => `   ${relative(root, file)}`).join('\n');
  console.log(`\n ! failed, and run once more, alone:\n${names}`);
  const again = await runTests([...failed], [...oneByOne, ...args]);
  if (again === 0) console.log(` ! passed only the second time:\n${names}`);
  return again;
}

function listFailures(path: string): readonly string[] {
  return [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/failed-files.mjs',
    `--test-reporter-destination=${path}`,
  ];
}

function runTests(files: readonly string[], more: readonly string[]): Promise<number> {
  return runCommand(testCommand(files, more), compiledEnvironment);
}

/** Beside others: its output follows as a whole. */
async function runAside(
  files: readonly string[],
  more: readonly string[],
  prefix: readonly string[] = [],
): Promise<number> {
  const { code, output } = await capture([...prefix, ...testCommand(files, more)], compiledEnvironment);
  console.log(output);
  return code;
}

function filesOf(patterns: readonly string[]): readonly string[] {
  return patterns.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
}

/** With the flags that the server has: with Node's own, a Deployment of 1,000 pods takes a tenth longer. */
function runBenchmark(name: string, args: readonly string[]): Promise<number> {
  return runCommand([process.execPath, ...serverNodeFlags, `bench/${name}.ts`, ...args], compiledEnvironment);
}

function testCommand(files: readonly string[], more: readonly string[]): readonly string[] {
  return [process.execPath, '--test', `--test-timeout=${testTimeoutMs}`, ...more, ...files];
}

/** Brings the packages that real nodes need. Where those cannot run, the rest of the tests still does. */
async function prepareForContainers(): Promise<boolean> {
  const obstacle = obstacleToRealNodes();
  if (obstacle) {
    console.log(` ! end-to-end tests are left out: ${obstacle}`);
    return false;
  }
  const missing = missingRequirements([...nodeRequirements, kubectlRequirement]).map((each) => each.package);
  if (missing.length > 0) {
    console.log(` … installing ${missing.join(', ')}`);
    await installPackages(missing);
  }
  const forTests = missingRequirements(testRequirements).map((each) => each.package);
  if (forTests.length > 0) {
    console.log(` … installing ${forTests.join(', ')} for tests`);
    await installPackages(forTests).catch((error: Error) =>
      console.log(` ! tests that need ${forTests.join(', ')} are left out: ${error.message}`),
    );
  }
  return true;
}

function runCommand([command, ...rest]: readonly string[], env = process.env): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, rest, { cwd: root, stdio: 'inherit', env });
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

function capture(
  [command, ...rest]: readonly string[],
  env = process.env,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(command!, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
