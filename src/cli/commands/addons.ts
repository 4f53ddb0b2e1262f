/** `wherry addons`: optional parts of a cluster. */

import { IngressClass } from '../../api/resources.gen.ts';
import type { Client } from '../../client/client.ts';
import { installPackages, missingRequirements, type Requirement } from '../../host/machine/packages.ts';
import type { Steps } from '../../host/steps.ts';
import { disableIngress, enableIngress } from '../../network/ingress/ingress-objects.ts';
import { connectAsAdmin } from '../admin-client.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { stepsOf } from '../live-steps.ts';
import { existingCluster, nameOption, parseOptions, parseVerb } from '../options/parse-options.ts';

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
    enable: (client) => enableIngress(client),
    disable: (client) => disableIngress(client),
    isEnabled: async (client) =>
      (await client.list(IngressClass)).items.some(
        (each) => each.spec?.controller === 'k8s.io/ingress-nginx',
      ),
  },
};

const verbs = ['list', 'enable', 'disable'] as const;

export const addonsCommand: Command = {
  summary: 'list, enable and disable add-ons (ingress)',
  usage: 'list | enable ADDON | disable ADDON   [--name NAME]',
  async run(context, args) {
    const { values, positionals } = parseOptions(args, nameOption, 2);
    const verb = parseVerb(positionals[0], verbs);
    const name = positionals[1];
    const addon = name !== undefined && Object.hasOwn(addons, name) ? addons[name] : undefined;
    if (verb !== 'list' && !addon) throw new UsageError(unknownAddon(verb, name));
    const record = existingCluster(context, values);
    const client = connectAsAdmin(context, record.name);
    const steps = stepsOf(context);
    try {
      if (!addon || !name) await list(context, client);
      else if (verb === 'enable') await enable(steps, client, name, addon);
      else await steps.run(`Disabling ${name}`, () => addon.disable(client));
      return 0;
    } finally {
      client.close();
    }
  },
};

function unknownAddon(verb: string, name: string | undefined): string {
  const known = `known are ${Object.keys(addons).join(', ')}`;
  return name === undefined
    ? `addons ${verb} needs the name of an add-on; ${known}`
    : `unknown add-on ${JSON.stringify(name)}; ${known}`;
}

async function list(context: CliContext, client: Client): Promise<void> {
  for (const [name, addon] of Object.entries(addons)) {
    const state = (await addon.isEnabled(client)) ? 'enabled' : 'disabled';
    context.print(`${name.padEnd(12)}${state.padEnd(12)}${addon.summary}`);
  }
}

async function enable(steps: Steps, client: Client, name: string, addon: Addon): Promise<void> {
  const missing = missingRequirements(addon.packages).map((requirement) => requirement.package);
  if (missing.length > 0) await steps.run(`Installing ${missing.join(', ')}`, () => installPackages(missing));
  await steps.run(`Enabling ${name}`, () => addon.enable(client));
}
