/** `wherry addons`: parts of a cluster that not everybody wants to run. */

import { IngressClass } from '../api/resources.gen.ts';
import { nodesGroup } from '../api/well-known.ts';
import type { Client } from '../client/client.ts';
import { installPackages, missingRequirements, type Requirement } from '../host/packages.ts';
import type { Steps } from '../host/steps.ts';
import { disableIngress, enableIngress } from '../network/ingress/ingress-objects.ts';
import { connectAsAdmin } from './admin-client.ts';
import { type Command, UsageError } from './context.ts';
import { liveSteps } from './live-steps.ts';
import { existingCluster, nameOption, parseOptions } from './options.ts';

interface Addon {
  summary: string;
  packages: readonly Requirement[];
  enable(client: Client): Promise<void>;
  disable(client: Client): Promise<void>;
  isEnabled(client: Client): Promise<boolean>;
}

const addons: Record<string, Addon> = {
  ingress: {
    summary: 'HTTP and HTTPS by host and path, through HAProxy on a node',
    packages: [{ package: 'haproxy', programs: ['haproxy'], purpose: 'carries the traffic of Ingresses' }],
    enable: (client) => enableIngress(client, nodesGroup),
    disable: (client) => disableIngress(client),
    isEnabled: async (client) =>
      (await client.list(IngressClass)).items.some(
        (each) => each.spec?.controller === 'k8s.io/ingress-nginx',
      ),
  },
};

export const addonsCommand: Command = {
  summary: 'list, enable and disable add-ons (ingress)',
  usage: 'list | enable ADDON | disable ADDON   [--name NAME]',
  async run(context, args) {
    const { values, positionals } = parseOptions(args, nameOption, 2);
    const record = existingCluster(context, values);
    const [verb, name = ''] = positionals;
    const client = connectAsAdmin(context, record.name);
    const steps = liveSteps({ write: (text) => process.stdout.write(text), isTerminal: context.isTerminal });
    try {
      if (verb === 'list') {
        for (const [each, addon] of Object.entries(addons)) {
          const state = (await addon.isEnabled(client)) ? 'enabled' : 'disabled';
          context.print(`${each.padEnd(12)}${state.padEnd(12)}${addon.summary}`);
        }
        return 0;
      }
      const addon = addons[name];
      if (!addon) throw new UsageError(name ? `there is no add-on ${JSON.stringify(name)}` : 'which add-on?');
      if (verb === 'enable') await enable(steps, client, name, addon);
      else if (verb === 'disable') await steps.run(`Disabling ${name}`, () => addon.disable(client));
      else throw new UsageError(`add-ons cannot be told to ${verb}`);
      return 0;
    } finally {
      client.close();
    }
  },
};

async function enable(steps: Steps, client: Client, name: string, addon: Addon): Promise<void> {
  const missing = missingRequirements(addon.packages).map((requirement) => requirement.package);
  if (missing.length > 0) await steps.run(`Installing ${missing.join(', ')}`, () => installPackages(missing));
  await steps.run(`Enabling ${name}`, () => addon.enable(client));
}
