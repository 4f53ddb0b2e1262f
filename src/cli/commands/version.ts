/** `wherry version`. */
import packageFacts from '../../../package.json' with { type: 'json' };
import { kubernetesVersion } from '../../api/component-base/version-info.ts';
import type { Command } from '../context.ts';
import { parseOptions } from '../options/parse-options.ts';

export const version: Command = {
  summary: 'print the version',
  usage: '',
  async run(context, args) {
    parseOptions(args, {});
    context.print(
      `wherry ${packageFacts.version} (Kubernetes ${kubernetesVersion}, Node ${process.version})`,
    );
    return 0;
  },
};
