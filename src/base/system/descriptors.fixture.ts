/** What becomes of code when its process has no file descriptor left. */
import { execFileSync } from 'node:child_process';

const descriptorsMax = 100;

/**
 * Runs the body of an async function, with `imports` (a name → the URL of a module) as variables, in a process whose
 * descriptors are all taken by then. @returns what it returns @throws when the process ends by an error of its own
 */
export function withoutDescriptors(imports: Record<string, URL>, body: string): unknown {
  const lines = Object.entries(imports).map(([name, url]) => `import * as ${name} from '${url.href}';`);
  const script = `${lines.join('\n')}
    import { closeSync, openSync } from 'node:fs';
    const taken = [];
    const take = () => {
      try {
        for (;;) taken.push(openSync('/dev/null'));
      } catch (error) {
        if (error.code !== 'EMFILE') throw error;
      }
    };
    take();
    const result = await (async () => { ${body} })();
    for (const each of taken.splice(0)) closeSync(each);
    console.log(JSON.stringify(result));`;
  const limited = `ulimit -n ${descriptorsMax}; exec "$0" --input-type=module -e "$1"`;
  return JSON.parse(
    execFileSync('sh', ['-c', limited, process.execPath, script], { encoding: 'utf8', timeout: 30_000 }),
  ) as unknown;
}
