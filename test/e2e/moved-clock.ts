/** Sets the time of day of one process of a cluster, as it runs, through its inspector: the machine's clock is not ours. */
import { execute, expectSuccess } from './test-cluster.ts';

/** Runs where the inspector listens, which is on the process's own loopback address. */
const evaluate = `
const [expression] = process.argv.slice(1);
const deadline = performance.now() + 20_000;
for (;;) {
  try {
    const [{ webSocketDebuggerUrl }] = await (await fetch('http://127.0.0.1:9229/json/list')).json();
    const socket = new WebSocket(webSocketDebuggerUrl);
    const answer = Promise.withResolvers();
    socket.onopen = () => socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
    socket.onmessage = ({ data }) => answer.resolve(data);
    socket.onerror = ({ message }) => answer.reject(new Error(message));
    process.stdout.write(await answer.promise);
    socket.close();
    break;
  } catch (error) {
    if (performance.now() > deadline) throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}`;

/** `byMs`: away from the machine's clock, not from what it was set to before. Timers do not notice, as when a clock is set. */
export async function moveClock(pid: number, byMs: number): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const expression = `globalThis.trueNow ??= Date.now; Date.now = () => trueNow() + ${byMs}; Date.now() - trueNow()`;
  const node = [process.execPath, '--input-type=module', '--eval', evaluate, expression];
  const answer = await expectSuccess(
    execute('nsenter', ['--target', `${pid}`, '--net', ...node]),
    'the inspector',
  );
  const { result } = JSON.parse(answer) as { result?: { result?: { value?: number } } };
  if (Math.abs((result?.result?.value ?? Number.NaN) - byMs) > 5)
    throw new Error(`the clock stands: ${answer}`);
}
