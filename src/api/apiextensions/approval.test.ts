import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CustomResourceDefinition } from '../resources.gen.ts';
import { approvalOf } from './approval.ts';

test('only groups of the community need an approval, which is a URL or the word that there is none', () => {
  const link = 'https://github.com/kubernetes/kubernetes/pull/1';
  const rows: [group: string, annotation: string | undefined, expected: string | undefined][] = [
    ['example.com', undefined, undefined],
    ['notk8s.io', undefined, undefined],
    ['k8s.io', undefined, 'MissingAnnotation'],
    ['a.kubernetes.io', link, `ApprovedAnnotation: approved in ${link}`],
    ['a.k8s.io', 'unapproved, a trial', 'UnapprovedAnnotation: not approved: "unapproved, a trial"'],
    ['a.k8s.io', 'later', 'InvalidAnnotation'],
    ['a.k8s.io', 'mailto:me', 'InvalidAnnotation'],
  ];
  for (const [group, text, expected] of rows) {
    const annotations = text === undefined ? {} : { 'api-approved.kubernetes.io': text };
    const found = approvalOf({
      metadata: { annotations },
      spec: { group },
    } as never as CustomResourceDefinition);
    const said = found && `${found.reason}: ${found.message}`;
    assert.ok(
      expected === undefined ? said === undefined : said?.startsWith(expected),
      `${group} ${text}: ${said}`,
    );
    assert.equal(found?.isGiven ?? false, text === link);
  }
});
