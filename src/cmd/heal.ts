/** What the supervisor runs when a process has ended: starts it again, and prints for how many seconds to leave it alone. */
import { systemClock } from '../base/clock.ts';
import { createLogger } from '../base/logger.ts';
import { dataFolder } from '../host/data-folder.ts';
import { healCluster } from '../host/supervision/heal.ts';
import { programs } from './programs.ts';

const [dataPath, name] = process.argv.slice(2);
const logger = createLogger({
  clock: systemClock,
  write: (line) => process.stderr.write(line),
  component: 'supervisor',
});
// The supervisor that asks may have ended: its successor looks for itself.
process.stdout.on('error', () => undefined);
const steps = { run: <Result>(_title: string, work: () => Promise<Result>) => work() };
const context = { data: dataFolder(dataPath!, process.env), programs, steps };
try {
  const seconds = await healCluster(context, name!, { clock: systemClock, logger });
  process.stdout.write(`${seconds}\n`);
} catch (error) {
  logger.error('the cluster cannot be mended', { error });
  process.exitCode = 1;
}
