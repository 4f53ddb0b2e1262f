/**
 * Machines for packet-level tests, as network namespaces: nodes joined by a bridge, pods behind them, and programs that
 * answer and ask in them. All names have the prefix `whnet-`, and all is removed when the network is disposed.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createCommandRunner, type RunCommand } from './command.ts';

/** Tests of packets need root, a kernel that gives namespaces, and the packages of a node. */
export const canMakeNetworks = tryNamespace();

const host = createCommandRunner();
/** Random, not a process id: a killed process may have left networks, and its id may be in use again. */
const ownPrefix = `whnet-${randomBytes(4).toString('hex')}`;
let counter = 0;

export interface TestMachine {
  name: string;
  address: string;
  run: RunCommand;
  /** The command prefix that enters the machine's namespace. */
  enter: readonly string[];
}

export class TestNetwork {
  readonly #id = `${ownPrefix}-${(counter++).toString(36)}`;
  readonly #namespaces: string[] = [];
  readonly #children: ChildProcess[] = [];
  #links = 0;
  #bridge: TestMachine | undefined;

  /** The machine with the bridge: a node's way to others, and the user's own machine. */
  async host(): Promise<TestMachine> {
    if (!this.#bridge) {
      this.#bridge = await this.machine('host', '172.31.255.1');
      await ip(this.#bridge, [
        'link add br0 type bridge',
        'link set br0 up',
        'addr add 172.31.255.1/24 dev br0',
      ]);
      // Traffic that only crosses the bridge does not pass through the host: its rules and counters must not see it.
      const bridged = '/proc/sys/net/bridge/bridge-nf-call-iptables';
      await this.#bridge.run('sh', [
        '-c',
        `echo 1 > /proc/sys/net/ipv4/ip_forward; [ ! -e ${bridged} ] || echo 0 > ${bridged}`,
      ]);
    }
    return this.#bridge;
  }

  /**
   * A node at 172.31.255.`index`, with a service route as `src/host` adds it. `far`: at 172.31.254.`index`, on a
   * separate link to which the host routes.
   */
  async node(index: number, place: 'near' | 'far' = 'near'): Promise<TestMachine> {
    const bridge = await this.host();
    const subnet = place === 'near' ? '172.31.255' : '172.31.254';
    const node = await this.machine(`n${index}`, `${subnet}.${index}`);
    const port = await this.#wire(bridge, node, 'eth0');
    await ip(
      bridge,
      place === 'near'
        ? [`link set ${port} master br0 up`]
        : [`addr add ${subnet}.1/24 dev ${port}`, `link set ${port} up`],
    );
    await ip(node, [
      `addr add ${node.address}/24 dev eth0`,
      'link set eth0 up',
      `route add default via ${subnet}.1`,
      `route add 10.96.0.0/12 dev lo src ${node.address}`,
    ]);
    await node.run('sh', [
      '-c',
      'echo 1 > /proc/sys/net/ipv4/ip_forward; for f in all default eth0; do echo 0 > /proc/sys/net/ipv4/conf/$f/rp_filter; echo 0 > /proc/sys/net/ipv4/conf/$f/send_redirects; echo 1 > /proc/sys/net/ipv4/conf/$f/route_localnet; done',
    ]);
    return node;
  }

  /** A pod on `node`, connected as the pod network's CNI plugin does it. */
  async pod(node: TestMachine, address: string): Promise<TestMachine> {
    const pod = await this.machine(`p${address.split('.').slice(2).join('-')}`, address);
    const gateway = address.replace(/\d+$/, '1');
    const link = await this.#wire(node, pod, 'eth0');
    await ip(node, [
      `link set ${link} up`,
      `addr add ${gateway}/32 dev ${link}`,
      `route add ${address}/32 dev ${link}`,
    ]);
    await ip(pod, [
      `addr add ${address}/32 dev eth0`,
      'link set eth0 up',
      `route add ${gateway} dev eth0`,
      `route add default via ${gateway}`,
    ]);
    return pod;
  }

  /** Answers every TCP connection and UDP packet on `ports` with the machine's name and the client's address. */
  async answer(machine: TestMachine, ports: readonly number[]): Promise<ChildProcess> {
    const child = this.start(machine, process.execPath, ['-e', answerer, machine.name, ...ports.map(String)]);
    await once(child.stdout!, 'data');
    return child;
  }

  start(machine: TestMachine, program: string, args: readonly string[]): ChildProcess {
    const [file, ...words] = [...machine.enter, program, ...args];
    const child = spawn(file!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    for (const name of this.#namespaces) await host('ip', ['netns', 'del', name]);
  }

  /** A machine that nothing is connected to yet; `address` is what it is going to have. */
  async machine(name: string, address = ''): Promise<TestMachine> {
    const namespace = `${this.#id}-${name}`;
    await host('ip', ['netns', 'add', namespace]);
    this.#namespaces.push(namespace);
    const enter = ['nsenter', `--net=/run/netns/${namespace}`];
    const machine = { name, address, enter, run: createCommandRunner(enter) };
    await ip(machine, ['link set lo up']);
    return machine;
  }

  /** Joins two machines; returns the name of the link in the first. */
  async #wire(from: TestMachine, to: TestMachine, name: string): Promise<string> {
    const link = `veth${this.#links++}`;
    const namespace = to.enter[1]!.replace('--net=/run/netns/', '');
    await from.run('ip', ['link', 'add', link, 'type', 'veth', 'peer', 'name', name, 'netns', namespace]);
    return link;
  }
}

export type Answer = 'refused' | 'unreachable' | 'timeout' | { from: string; client: string };

/** One TCP connection or UDP packet (`udp:` before the port), from `machine` to `address:port`. */
export async function ask(
  machine: TestMachine,
  address: string,
  port: number | `udp:${number}`,
): Promise<Answer> {
  const [answer] = await askMany(machine, address, port, { count: 1 });
  return answer!;
}

/** How long to wait for an answer that may never come: long enough for one that is only late on a busy machine. */
const silenceMs = 500;

/** `count` connections one after the other, each from another port. */
export async function askMany(
  machine: TestMachine,
  address: string,
  port: number | `udp:${number}`,
  { count, timeoutMs = silenceMs }: { count: number; timeoutMs?: number },
): Promise<Answer[]> {
  const words = [
    String(port).startsWith('udp:') ? 'udp' : 'tcp',
    address,
    String(port).replace('udp:', ''),
    String(count),
    String(timeoutMs),
  ];
  return JSON.parse(await machine.run(process.execPath, ['-e', asker, ...words])) as Answer[];
}

function tryNamespace(): boolean {
  const name = `whnet-${randomBytes(4).toString('hex')}-try`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'ignore' });
  } catch {
    return false;
  }
  try {
    execFileSync('nsenter', [`--net=/run/netns/${name}`, 'nft', 'list', 'ruleset'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  } finally {
    execFileSync('ip', ['netns', 'del', name]);
  }
}

async function ip(machine: TestMachine, lines: readonly string[]): Promise<void> {
  await machine.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
}

const answerer = `
const [name, ...ports] = process.argv.slice(1);
const say = (address) => name + ' ' + String(address).replace('::ffff:', '');
let left = ports.length * 2;
const ready = () => { if (--left === 0) console.log('ready'); };
for (const port of ports) {
  require('net').createServer((socket) => { socket.on('error', () => {}); socket.end(say(socket.remoteAddress)); })
    .listen(Number(port), '0.0.0.0', 511, ready);
  const udp = require('dgram').createSocket('udp4');
  udp.on('message', (_, from) => udp.send(say(from.address), from.port, from.address));
  udp.bind(Number(port), ready);
}`;

const asker = `
const [protocol, address, port, count, timeoutMs] = process.argv.slice(1);
const parse = (text) => { const [from, client] = text.split(' '); return { from, client }; };
const fail = (error) => error.code === 'ECONNREFUSED' || error.code === 'EPERM' ? 'refused' : error.code.includes('UNREACH') ? 'unreachable' : error.code;
const tcp = () => new Promise((resolve) => {
  let text = '';
  const socket = require('net').connect({ host: address, port: Number(port) });
  socket.setTimeout(Number(timeoutMs), () => { socket.destroy(); resolve('timeout'); });
  socket.on('data', (chunk) => { text += chunk; });
  socket.on('end', () => resolve(parse(text)));
  socket.on('error', (error) => resolve(fail(error)));
});
const udp = () => new Promise((resolve) => {
  const socket = require('dgram').createSocket('udp4');
  const done = (answer) => { clearTimeout(timer); socket.close(); resolve(answer); };
  const timer = setTimeout(() => done('timeout'), Number(timeoutMs));
  socket.on('message', (text) => done(parse(String(text))));
  socket.on('error', (error) => done(fail(error)));
  socket.connect(Number(port), address, (error) => error ? done(fail(error)) : socket.send('?', (error) => error && done(fail(error))));
});
(async () => {
  const answers = [];
  for (let left = Number(count); left > 0; left--) answers.push(await (protocol === 'udp' ? udp() : tcp()));
  console.log(JSON.stringify(answers));
})();`;
