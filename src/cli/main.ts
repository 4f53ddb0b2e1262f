/** Finds the command, runs it, and reports failures of all commands in the same way. */
import { Failure } from '../host/failure.ts';
import { adviceOn } from './advice.ts';
import { addonsCommand } from './commands/addons.ts';
import { agent } from './commands/agent.ts';
import { down, kubeconfig, remove } from './commands/cluster-commands.ts';
import { doctor } from './commands/doctor.ts';
import { image } from './commands/image.ts';
import { logs } from './commands/logs.ts';
import { migrate } from './commands/migrate.ts';
import { node } from './commands/node.ts';
import { server } from './commands/server.ts';
import { service } from './commands/service.ts';
import { start } from './commands/start.ts';
import { status } from './commands/status.ts';
import { up } from './commands/up.ts';
import { version } from './commands/version.ts';
import { type CliContext, type Command, UsageError } from './context.ts';
import { lastLines } from './last-lines.ts';

const commands: Record<string, Command> = {
  start,
  up,
  down,
  delete: remove,
  status,
  kubeconfig,
  node,
  image,
  service,
  addons: addonsCommand,
  logs,
  doctor,
  server,
  agent,
  migrate,
  version,
};

const exitUsage = 2;
const logLinesShown = 25;

/** @returns the exit code: 2 for arguments that make no sense, 1 for failures */
export async function main(context: CliContext, args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  if (name === 'help' || name === '--help' || name === '-h') return help(context, rest[0]);
  if (name === '--version') return await version.run(context, []);
  const command = commandOf(name);
  if (!command) {
    context.complain(`wherry has no command "${name}"; wherry help lists them`);
    return exitUsage;
  }
  if (rest.includes('--help') || rest.includes('-h')) return help(context, name);
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
function commandOf(name: string): Command | undefined {
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

function help(context: CliContext, name: string | undefined): number {
  const command = name === undefined ? undefined : commandOf(name);
  if (command) {
    context.print(`usage: wherry ${name} ${command.usage}\n\n${command.summary}`);
    if (command.details) context.print(`\n${command.details.join('\n')}`);
    return 0;
  }
  if (name !== undefined) context.complain(`wherry has no command "${name}"`);
  context.print('Wherry: a complete Kubernetes on this machine.\n\nusage: wherry COMMAND [OPTIONS]\n');
  for (const [each, { summary }] of Object.entries(commands)) context.print(`  ${each.padEnd(12)}${summary}`);
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
