/** The command line: reads argv and the environment, and hands over to the command. */
import type { CliContext } from '../cli/context.ts';
import { main } from '../cli/main.ts';
import { dataFolder, defaultDataPath } from '../host/data-folder.ts';
import { programs } from './programs.ts';

const context: CliContext = {
  data: dataFolder(defaultDataPath(process.env, process.getuid?.()), process.env),
  programs,
  env: process.env,
  print: (line) => process.stdout.write(`${line}\n`),
  complain: (line) => process.stderr.write(`${line}\n`),
  isTerminal: process.stdout.isTTY === true,
};

/** Who reads the output may have had enough of it, as `head` has: that ends a command, as it ends others. */
const brokenPipeExitCode = 141;
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(brokenPipeExitCode);
  });

const args = process.argv.slice(2);
if (args[0] === 'dev') {
  const { dev } = await import('./dev.ts');
  process.exitCode = await dev(args.slice(1));
} else process.exitCode = await main(context, args);
