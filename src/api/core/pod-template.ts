/** PodTemplates: pods to be made, kept by themselves. */
import { column, formatLabels, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { PodTemplate } from '../resources.gen.ts';
import { defaultPodTemplate } from './pod-spec/defaults.ts';
import { validatePodTemplate } from './pod-spec/validate.ts';
import { templateWarnings } from './pod-spec/warnings.ts';

export const podTemplateKind = defineKind(PodTemplate, {
  returnsDeleted: true,
  hasGeneration: true,
  columns: [
    nameColumn,
    column('Containers', ({ template }) => facts(template, 'name')),
    column('Images', ({ template }) => facts(template, 'image')),
    column('Pod Labels', ({ template }) => formatLabels(template?.metadata?.labels)),
  ],
  defaults: ({ template }) => defaultPodTemplate(template),
  warnings: (object, old) =>
    templateWarnings(object, old, { template: ({ template }) => template, field: 'template' }),
  validate: ({ template }) => validatePodTemplate(template, 'template'),
});

function facts(template: PodTemplate['template'], fact: 'name' | 'image'): string {
  return (template?.spec?.containers ?? []).map((container) => container[fact] ?? '').join(',');
}
