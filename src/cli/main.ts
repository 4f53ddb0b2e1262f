/** Finds the command, runs it, and reports failures of all commands in the same way. */
import { Failure } from '../host/failure.ts';
import { adviceOn } from './advice.ts';
import { type CliContext, type Command, UsageError } from './context.ts';
import { lastLines } from './last-lines.ts';

/** Each is loaded when it is called: all of them together take longer to load than most of them to run. */
const commands: Record<string, () => Promise<Command>> = {
  start: async () => (await import('./commands/start.ts')).start,
  up: async () => (await import('./commands/up.ts')).up,
  down: async () => (await import('./commands/cluster-commands.ts')).down,
  delete: async () => (await import('./commands/cluster-commands.ts')).remove,
  status: async () => (await import('./commands/status.ts')).status,
  kubeconfig: async () => (await import('./commands/cluster-commands.ts')).kubeconfig,
  node: async () => (await import('./commands/node.ts')).node,
  image: async () => (await import('./commands/image.ts')).image,
  service: async () => (await import('./commands/service.ts')).service,
  addons: async () => (await import('./commands/addons.ts')).addonsCommand,
  logs: async () => (await import('./commands/logs.ts')).logs,
  doctor: async () => (await import('./commands/doctor.ts')).doctor,
  server: async () => (await import('./commands/server.ts')).server,
  agent: async () => (await import('./commands/agent.ts')).agent,
  migrate: async () => (await import('./commands/migrate.ts')).migrate,
  version: async () => (await import('./commands/version.ts')).version,
};

const exitUsage = 2;
const logLinesShown = 25;

/** @returns the exit code: 2 for arguments that make no sense, 1 for failures */
export async function main(context: CliContext, args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === 'help' || name === '--help' || name === '-h') return await help(context, rest[0]);
  if (name === '--version') return await main(context, ['version']);
  const command = await commandOf(name);
  if (!command) {
    context.complain(`wherry has no command "${name}"; wherry help lists them`);
    return exitUsage;
  }
  if (rest.includes('--help') || rest.includes('-h')) return await help(context, name);
  try {
    return await command.run(context, rest);
  } catch (error) {
    if (error instanceof UsageError) {
      context.complain(`${error.message}\nusage: wherry ${name} ${command.usage}`);
      return exitUsage;
    }
    printFailure(context, error);
    return 1;
  }
}

/** What every object inherits (`constructor`) is no command. */
async function commandOf(name: string): Promise<Command | undefined> {
  return Object.hasOwn(commands, name) ? await commands[name]!() : undefined;
}

async function help(context: CliContext, name: string | undefined): Promise<number> {
  const command = name === undefined ? undefined : await commandOf(name);
  if (command) {
    context.print(`usage: wherry ${name} ${command.usage}\n\n${command.summary}`);
    if (command.details) context.print(`\n${command.details.join('\n')}`);
    return 0;
  }
  if (name !== undefined) context.complain(`wherry has no command "${name}"`);
  context.print('Wherry: a complete Kubernetes on this machine.\n\nusage: wherry COMMAND [OPTIONS]\n');
  for (const [each, load] of Object.entries(commands))
    context.print(`  ${each.padEnd(12)}${(await load()).summary}`);
  context.print('\nwherry help COMMAND says more of one. Talk to the cluster with kubectl.');
  return name === undefined ? 0 : exitUsage;
}

function printFailure(context: CliContext, error: unknown): void {
  if (!(error instanceof Error)) throw error;
  context.complain(`\nerror: ${error.message}`);
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
    if (!error.message.includes(cause.message)) context.complain(`because: ${cause.message}`);
  const isExpected = error instanceof Failure;
  if (!isExpected && (context.env.WHERRY_DEBUG || error instanceof TypeError))
    context.complain(error.stack ?? '');
  if (isExpected && error.logFile) {
    context.complain(`\nthe last lines of ${error.logFile}:`);
    for (const line of readLastLines(error.logFile, error.logStart)) context.complain(`  ${line}`);
  }
  const advice = adviceOn(error, context.data.path);
  if (advice) context.complain(`\nwhat to do: ${advice}`);
}

function readLastLines(file: string, from: number): string[] {
  try {
    const lines = lastLines(file, logLinesShown, from);
    return lines.length > 0 ? lines : ['(it has written nothing yet)'];
  } catch (error) {
    return [`(it cannot be read: ${(error as Error).message})`];
  }
}
