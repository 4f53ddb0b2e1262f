/** The command line: reads argv and the environment, and hands over to the command. */
import { dev } from './dev.ts';

const [command, ...args] = process.argv.slice(2);
if (command === 'dev') process.exitCode = await dev(args);
