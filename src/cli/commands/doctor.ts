/** `wherry doctor`: what this machine lacks for a cluster, and how to get it. */
import { serverRecordFile } from '../../host/cluster/cluster-context.ts';
import { listClusterRecords } from '../../host/cluster/cluster-record.ts';
import { examine, type Finding } from '../../host/machine/doctor.ts';
import { firstApiPort, isPortFree } from '../../host/network/ports.ts';
import { runningProcess } from '../../host/processes/process.ts';
import type { CliContext, Command } from '../context.ts';
import { parseOptions } from '../options/parse-options.ts';

const marks: Record<Finding['verdict'], string> = { good: '✓', poor: '!', bad: '✗' };

export const doctor: Command = {
  summary: 'examine this machine, and say how to fix what is wrong',
  usage: '',
  async run(context, args) {
    parseOptions(args, {});
    const findings = [...(await examine(context.data.path)), ...(await ports(context))];
    for (const { verdict, what, detail, mend } of findings) {
      context.print(` ${marks[verdict]} ${what.padEnd(36)} ${detail}`);
      if (mend && verdict !== 'good') context.print(`   → ${mend}`);
    }
    const bad = findings.filter((finding) => finding.verdict === 'bad').length;
    context.print(
      bad === 0 ? '\nThis machine can run a cluster.' : `\n${bad} of these keep a cluster from running.`,
    );
    return bad === 0 ? 0 : 1;
  },
};

/** A port of a cluster that does not run must be free; before there is a cluster, that of the first one. */
async function ports({ data }: CliContext): Promise<Finding[]> {
  const records = listClusterRecords(data);
  if (records.length === 0) return [await portFinding(`port ${firstApiPort}`, firstApiPort)];
  const idle = records.filter(({ name }) => !runningProcess(serverRecordFile(data.cluster(name))));
  return Promise.all(
    idle.map(({ name, apiPort }) => portFinding(`port ${apiPort} of cluster ${name}`, apiPort)),
  );
}

async function portFinding(what: string, port: number): Promise<Finding> {
  if (await isPortFree(port)) return { what, verdict: 'good', detail: 'is free' };
  return {
    what,
    verdict: 'poor',
    detail: 'is taken by another program',
    mend: 'wherry up chooses another port',
  };
}
