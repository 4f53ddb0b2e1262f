/** DeviceTaintRules: taints that an administrator puts on devices, whatever their driver publishes. */
import { ageColumn, ageSince, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { DeviceTaintRule } from '../resources.gen.ts';
import { validateDriverName } from '../storage/csi-driver.ts';
import type { DeviceTaintSelector } from '../types/resource-v1beta2.gen.ts';
import { validateConditions } from '../validation/conditions.ts';
import { type FieldErrors, tooMany } from '../validation/field-error.ts';
import { validateLabelName, validatePoolName, validateTaint } from './device-rules.ts';

const conditionsMax = 8;

export const deviceTaintRuleKind = defineKind(DeviceTaintRule, {
  returnsDeleted: true,
  hasGeneration: true,
  status: 'separate',
  columns: [
    nameColumn,
    column('Key', ({ spec }) => spec?.taint?.key ?? ''),
    column('Value', ({ spec }) => spec?.taint?.value ?? ''),
    column('Effect', ({ spec }) => spec?.taint?.effect ?? ''),
    column('TimeAdded', ({ spec }, { nowMs }) => {
      const added = spec?.taint?.timeAdded;
      return added ? ageSince(added, nowMs) : '';
    }),
    ageColumn,
  ],
  defaultTimes({ spec }, now) {
    if (!spec) return;
    spec.taint ??= {} as typeof spec.taint;
    spec.taint.timeAdded ??= now;
  },
  prepareCreate(rule) {
    rule.status = {};
  },
  // A new effect counts from now, unless the client gives another time.
  prepareUpdate({ spec }, { spec: old }, now) {
    if (
      spec?.taint &&
      spec.taint.effect !== old?.taint?.effect &&
      spec.taint.timeAdded === old?.taint?.timeAdded
    )
      spec.taint.timeAdded = now;
  },
  *validate({ spec, status }, { subresource, isUpdate }) {
    if (subresource === 'status') {
      const conditions = status?.conditions ?? [];
      yield* validateConditions(conditions, 'status.conditions');
      if (conditions.length > conditionsMax)
        yield tooMany('status.conditions', conditions.length, conditionsMax);
      return;
    }
    if (spec?.deviceSelector) yield* validateDeviceSelector(spec.deviceSelector, 'spec.deviceSelector');
    // On an update only a new effect is validated, by validateUpdate.
    if (!isUpdate) yield* validateTaint(spec?.taint ?? {}, 'spec.taint');
  },
  *validateUpdate({ spec }, { spec: old }, { subresource }) {
    if (subresource === 'status') return;
    yield* validateTaint(spec?.taint ?? {}, 'spec.taint', old?.taint);
  },
});

function* validateDeviceSelector({ driver, pool, device }: DeviceTaintSelector, field: string): FieldErrors {
  if (driver !== undefined) yield* validateDriverName(driver, `${field}.driver`);
  if (pool !== undefined) yield* validatePoolName(pool, `${field}.pool`);
  if (device !== undefined) yield* validateLabelName(device, `${field}.device`);
}
